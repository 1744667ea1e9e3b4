package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

var (
	sseData = []byte("data: ")
	sseDone = []byte("[DONE]")
)

// Stream asks for the answer token by token and calls emit with each piece as it arrives.
// Both protocols send one JSON object per line: Ollama bare, OpenAI after "data: ".
func (c *Chat) Stream(ctx context.Context, model, prompt, transcription string, emit func(text string) error) error {
	body, err := c.post(ctx, model, prompt, transcription, true)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		line := bytes.TrimPrefix(lines.Bytes(), sseData)
		if len(line) == 0 || bytes.Equal(line, sseDone) {
			continue
		}
		var reply chatReply
		if err := json.Unmarshal(line, &reply); err != nil {
			return fmt.Errorf("a line of the language model: %w", err)
		}
		if reply.Error != nil {
			return fmt.Errorf("the language model: %v", reply.Error)
		}
		text := reply.Message.Content
		if len(reply.Choices) > 0 {
			text = reply.Choices[0].Delta.Content
		}
		if text == "" {
			continue
		}
		if err := emit(text); err != nil {
			return err
		}
	}
	return lines.Err()
}
