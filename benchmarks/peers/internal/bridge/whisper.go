package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Transcript is the part of Whisper's answer that the peers use.
type Transcript struct {
	Text string `json:"text"`
}

// ASRURL is the address of a transcription by whisper-asr-webservice.
func ASRURL(settings Settings, language string) string {
	query := url.Values{"task": {"transcribe"}, "output": {"json"}, "encode": {"true"}}
	if language != "" {
		query.Set("language", language)
	}
	return settings.WhisperURL + "/asr?" + query.Encode()
}

// ReadTranscript reads and closes Whisper's answer: text/plain that holds JSON.
func ReadTranscript(response *http.Response) (Transcript, error) {
	defer response.Body.Close()
	var transcript Transcript
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return transcript, fmt.Errorf("whisper's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return transcript, fmt.Errorf("whisper answered %s: %.200s", response.Status, body)
	}
	if err := json.Unmarshal(body, &transcript); err != nil {
		return transcript, fmt.Errorf("whisper's answer: %w", err)
	}
	return transcript, nil
}
