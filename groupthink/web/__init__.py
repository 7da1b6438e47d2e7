"""Run directories on local pages: read as they are, shown as text, sent nowhere."""
