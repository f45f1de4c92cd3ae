"""Every beat: from a frame and the state so far to figures and alarms."""
