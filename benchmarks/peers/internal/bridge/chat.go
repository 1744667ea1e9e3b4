package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Chat asks the language model, by Ollama's /api/chat or by OpenAI's /v1/chat/completions.
type Chat struct {
	client *http.Client
	url    string
	openAI bool
}

// NewChat makes the client of the chat upstream that the settings name.
func NewChat(settings Settings, client *http.Client) *Chat {
	path := "/api/chat"
	if settings.OpenAIChat {
		path = "/v1/chat/completions"
	}
	return &Chat{client: client, url: settings.LLMURL + path, openAI: settings.OpenAIChat}
}

type message struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

type chatRequest struct {
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
	Stream   bool      `json:"stream"`
}

// chatReply holds the fields of both protocols; what one does not know stays empty.
type chatReply struct {
	Message message `json:"message"`
	Done    bool    `json:"done"`
	Error   any     `json:"error"`
	Choices []struct {
		Message message `json:"message"`
		Delta   message `json:"delta"`
	} `json:"choices"`
}

// Whole asks for the answer in one piece.
func (c *Chat) Whole(ctx context.Context, model, prompt, transcription string) (string, error) {
	body, err := c.post(ctx, model, prompt, transcription, false)
	if err != nil {
		return "", err
	}
	defer body.Close()
	var reply chatReply
	if err := json.NewDecoder(body).Decode(&reply); err != nil {
		return "", fmt.Errorf("the language model's answer: %w", err)
	}
	if reply.Error != nil {
		return "", fmt.Errorf("the language model: %v", reply.Error)
	}
	if c.openAI {
		if len(reply.Choices) == 0 {
			return "", errors.New("the language model's answer holds no choice")
		}
		return reply.Choices[0].Message.Content, nil
	}
	return reply.Message.Content, nil
}

// post sends the question; the caller closes the body, which is never that of an error.
func (c *Chat) post(ctx context.Context, model, prompt, transcription string, stream bool) (io.ReadCloser, error) {
	question, err := json.Marshal(chatRequest{
		Model:    model,
		Messages: []message{{Role: "user", Content: prompt + "\n\nTranscription: " + transcription}},
		Stream:   stream,
	})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the language model: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		detail, _ := io.ReadAll(io.LimitReader(response.Body, 1024)) // best effort: the status is the news
		return nil, fmt.Errorf("the language model answered %s: %s", response.Status, detail)
	}
	return response.Body, nil
}
