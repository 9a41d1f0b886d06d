"""What must hold on every log, whatever a scenario expects: one small pure function a law."""
