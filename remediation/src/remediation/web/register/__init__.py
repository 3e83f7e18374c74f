"""The organisation's register of devices: brought, compared with what scans know, and tickets that name neither."""
