"""Flag definitions by concern, read only in the mains of commands/."""
