"""Third-party programs and images, built from Go modules and Debian packages where they cannot be downloaded.

`provide` is the interface: a program or an image by its name. `plan` has what is missing as jobs with a duration, and
`ollama_build` builds Ollama. An import contract keeps all other modules private.
"""
