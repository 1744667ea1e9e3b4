"""A speech recognition server on CTranslate2: batched, streaming, observable."""
