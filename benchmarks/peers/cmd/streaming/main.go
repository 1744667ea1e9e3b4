// Command streaming is the best bridge that Go's standard library allows: audio is forwarded to Whisper as it arrives,
// through one pooled buffer, with neither a temporary file nor a whole copy in memory.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"time"

	"speechpipeline.dev/benchmarks/peers/internal/bridge"
)

const (
	blockSize = 256 << 10 // bytes read from the client's socket, and written to Whisper's, at a time
	maxField  = 1 << 20   // bytes of a form's field other than the file
)

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, blockSize) }}

type server struct {
	settings bridge.Settings
	client   *http.Client
	chat     *bridge.Chat
}

func main() {
	settings, err := bridge.LoadSettings()
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: settings.MaxConcurrent,
		IdleConnTimeout:     4 * time.Second, // uvicorn, in front of the real Whisper, closes after 5
		WriteBufferSize:     blockSize,
		DisableCompression:  true,
	}}
	s := &server{settings: settings, client: client, chat: bridge.NewChat(settings, client)}
	if err := bridge.Run(settings, s.process); err != nil {
		log.Fatal(err)
	}
}

func (s *server) process(w http.ResponseWriter, r *http.Request) error {
	started := time.Now()
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || parameters["boundary"] == "" {
		return bridge.BadRequest("the body is not multipart/form-data")
	}
	// mime/multipart reads 4 KiB at a time; the large buffer below it saves the system calls.
	body := readers.Get().(*bufio.Reader)
	body.Reset(r.Body)
	defer readers.Put(body)
	fields, transcript, err := s.forward(r, multipart.NewReader(body, parameters["boundary"]))
	if err != nil {
		return err
	}
	if transcript == nil {
		return bridge.BadRequest("the form has no file")
	}
	answer := bridge.Answer{Transcription: transcript.Text, Model: fields["model"]}
	if answer.Model == "" {
		answer.Model = s.settings.DefaultModel
	}
	prompt := fields["prompt"]
	if prompt == "" {
		prompt = bridge.DefaultPrompt
	}
	if fields["stream"] == "true" {
		return s.stream(r.Context(), w, answer, prompt, started)
	}
	answer.Response, err = s.chat.Whole(r.Context(), answer.Model, prompt, answer.Transcription)
	if err != nil {
		answer.Response = "Ollama processing failed: " + err.Error()
	}
	answer.ProcessTimeMS = time.Since(started).Milliseconds()
	return bridge.WriteAnswer(w, answer)
}

// forward reads the form part by part: the file goes to Whisper as it comes, every other field is kept.
func (s *server) forward(r *http.Request, form *multipart.Reader) (map[string]string, *bridge.Transcript, error) {
	fields := make(map[string]string)
	var transcript *bridge.Transcript
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			return fields, transcript, nil
		}
		if err != nil {
			return nil, nil, bridge.BadRequest("the form: %w", err)
		}
		if part.FormName() == "file" {
			if transcript, err = s.transcribe(r, part, fields["language"]); err != nil {
				return nil, nil, err
			}
			continue
		}
		var value strings.Builder
		if _, err := io.Copy(&value, io.LimitReader(part, maxField)); err != nil {
			return nil, nil, bridge.BadRequest("the form's field %q: %w", part.FormName(), err)
		}
		fields[part.FormName()] = value.String()
	}
}

func (s *server) transcribe(r *http.Request, part *multipart.Part, language string) (*bridge.Transcript, error) {
	audio, contentType := newUpload(part)
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, bridge.ASRURL(s.settings, language), audio)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("whisper: %w", err)
	}
	transcript, err := bridge.ReadTranscript(response)
	return &transcript, err
}
