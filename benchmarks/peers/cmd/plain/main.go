// Command plain is a bridge written the obvious way, as the older bridge was: the whole form is parsed, the audio copied
// to a temporary file and read back, the upstream request built in memory, and two blocking calls follow one another.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"speechpipeline.dev/benchmarks/peers/internal/bridge"
)

const formMemory = 32 << 20 // bytes of a form that net/http keeps in memory; its own default

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
	client := &http.Client{Timeout: settings.Timeout}
	s := &server{settings: settings, client: client, chat: bridge.NewChat(settings, client)}
	if err := bridge.Run(settings, s.process); err != nil {
		log.Fatal(err)
	}
}

func (s *server) process(w http.ResponseWriter, r *http.Request) error {
	started := time.Now()
	if err := r.ParseMultipartForm(formMemory); err != nil {
		return bridge.BadRequest("the form: %w", err)
	}
	defer r.MultipartForm.RemoveAll()
	path, err := saveUpload(r)
	if err != nil {
		return err
	}
	defer os.Remove(path)

	prompt := r.FormValue("prompt")
	if prompt == "" {
		prompt = bridge.DefaultPrompt
	}
	model := r.FormValue("model")
	if model == "" {
		model = s.settings.DefaultModel
	}
	transcript, err := s.transcribe(r.Context(), path, r.FormValue("language"))
	if err != nil {
		return err
	}
	response, err := s.chat.Whole(r.Context(), model, prompt, transcript.Text)
	if err != nil {
		response = "Ollama processing failed: " + err.Error()
	}
	return bridge.WriteAnswer(w, bridge.Answer{
		Transcription: transcript.Text,
		Response:      response,
		ProcessTimeMS: time.Since(started).Milliseconds(),
		Model:         model,
	})
}

// saveUpload copies the form's file to a temporary file and names it; the caller removes it.
func saveUpload(r *http.Request) (string, error) {
	upload, header, err := r.FormFile("file")
	if err != nil {
		return "", bridge.BadRequest("the form has no file: %w", err)
	}
	defer upload.Close()
	saved, err := os.CreateTemp("", "audio-*"+filepath.Ext(header.Filename))
	if err != nil {
		return "", err
	}
	defer saved.Close()
	if _, err := io.Copy(saved, upload); err != nil {
		os.Remove(saved.Name())
		return "", fmt.Errorf("saving the upload: %w", err)
	}
	return saved.Name(), nil
}

func (s *server) transcribe(ctx context.Context, path, language string) (bridge.Transcript, error) {
	saved, err := os.Open(path)
	if err != nil {
		return bridge.Transcript{}, err
	}
	defer saved.Close()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("audio_file", filepath.Base(path))
	if err != nil {
		return bridge.Transcript{}, err
	}
	if _, err := io.Copy(part, saved); err != nil {
		return bridge.Transcript{}, err
	}
	if err := form.Close(); err != nil {
		return bridge.Transcript{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, bridge.ASRURL(s.settings, language), &body)
	if err != nil {
		return bridge.Transcript{}, err
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	response, err := s.client.Do(request)
	if err != nil {
		return bridge.Transcript{}, fmt.Errorf("whisper: %w", err)
	}
	return bridge.ReadTranscript(response)
}
