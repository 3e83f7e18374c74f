"""Devices by subnet, site or tag, by how bad it is there."""
