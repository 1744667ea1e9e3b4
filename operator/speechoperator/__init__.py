"""The controller of SpeechPipeline objects.

Only its place is here yet: the package exists so that the borders between the packages hold from the start.
"""
