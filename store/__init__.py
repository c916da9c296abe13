"""What someone may watch: the catalogue, entitlements, pages, and the wiring of it all."""
