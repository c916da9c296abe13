"""Who may watch what, until when, on which device: rights, devices, playback and licences."""
