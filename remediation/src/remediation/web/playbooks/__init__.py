"""The Ansible playbook of a remedy, or of a ticket, to be read, copied, downloaded and attached. None is ever run."""
