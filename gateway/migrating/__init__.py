"""Moving lists from one vendor to another: plan, apply, certificate, way back (DESIGN section 8)."""
