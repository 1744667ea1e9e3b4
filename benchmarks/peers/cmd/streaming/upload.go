package main

import (
	"errors"
	"io"
	"mime/multipart"
	"strings"
)

const boundary = "speechpipeline-benchmark-7f3a1c9e5b2d4860"

// newUpload is the body of a request to Whisper, made of a part that is still arriving, and its content type. net/http reads
// it straight into the buffer that it writes to the socket: an io.Pipe would copy, and wake a second goroutine, for every block.
func newUpload(part *multipart.Part) (body io.Reader, contentType string) {
	var form strings.Builder
	writer := multipart.NewWriter(&form)
	// None of these can fail: a strings.Builder takes everything, and the boundary is a valid one.
	_ = writer.SetBoundary(boundary)
	_, _ = writer.CreateFormFile("audio_file", part.FileName())
	head := form.Len()
	_ = writer.Close()
	text := form.String()
	whole := io.MultiReader(strings.NewReader(text[:head]), part, strings.NewReader(text[head:]))
	return fullReader{whole}, writer.FormDataContentType()
}

// fullReader fills the caller's buffer: each read becomes a chunk on the wire, and mime/multipart gives 4 KiB at most.
type fullReader struct{ from io.Reader }

func (r fullReader) Read(block []byte) (int, error) {
	read, err := io.ReadFull(r.from, block)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return read, err
}
