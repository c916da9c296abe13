"""Helping people back in, on behalf of support: callers are proved, owners are told and can call it off."""
