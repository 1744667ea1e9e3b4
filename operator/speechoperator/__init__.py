"""The operator: a Kubernetes controller of SpeechPipeline objects."""
