"""Which request is decoded when: the slots, the queue in front of them, and what they report about themselves."""
