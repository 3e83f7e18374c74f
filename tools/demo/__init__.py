"""make demo-plugin: the plugin's real entry point through the life of a ticket, as InsightConnect drives it.

It works on the stand-in for HaloITSM of this repository, or on a real instance when the variables of
``instance.REQUIRED`` are set. There it makes two tickets, deletes them where it may, and says of each that stays that it
does. It assigns nobody there unless HALO_AGENT_ID names an agent.
"""
