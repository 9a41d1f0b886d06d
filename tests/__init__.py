"""What must hold, told as promises; the rooms are rules, contracts, promises and edges."""
