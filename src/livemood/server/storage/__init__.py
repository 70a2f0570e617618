"""What a server keeps: records, timelines, sound, tokens, the audit log."""
