package recorded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// classify tells the dialect and the operation of an address.
func classify(u *url.URL) (dialect, operation string) {
	path := strings.TrimSuffix(u.Path, "/")
	ends := func(s string) bool { return strings.HasSuffix(path, s) }
	switch host := u.Hostname(); {
	case strings.HasPrefix(host, "bedrock-runtime."):
		switch {
		case ends("/converse"), ends("/converse-stream"):
			return Converse, OpChat
		case ends("/invoke") && strings.Contains(path, "anthropic."):
			return Messages, OpChat
		case ends("/invoke"), ends("/invoke-with-response-stream"):
			return BedrockInvoke, OpChat
		}
		return "", ""
	case host == "api.cohere.com":
		switch {
		case ends("/v2/chat"):
			return Cohere, OpChat
		case ends("/chat"), ends("/generate"):
			return CohereV1, OpChat
		case ends("/embed"):
			return Cohere, OpEmbed
		case ends("/rerank"):
			return Cohere, OpRerank
		}
		return "", ""
	case ends("/api/chat"):
		return Ollama, OpChat
	case ends("/api/embeddings"), ends("/api/embed"):
		return Ollama, OpEmbed
	case strings.HasSuffix(host, "aiplatform.googleapis.com"), host == "generativelanguage.googleapis.com":
		switch {
		case ends(":rawPredict"), ends(":streamRawPredict"):
			if strings.Contains(path, "/publishers/anthropic/") {
				return Messages, OpChat
			}
		case ends(":generateContent"), ends(":streamGenerateContent"):
			return Gemini, OpChat
		case ends(":embedContent"), ends(":batchEmbedContents"):
			return Gemini, OpEmbed
		case ends(":countTokens"):
			return Gemini, OpCount
		case ends("/models"):
			return Gemini, OpModels
		}
		return "", ""
	case ends("/v1/messages"):
		return Messages, OpChat
	case ends("/v1/messages/count_tokens"):
		return Messages, OpCount
	case ends("/chat/completions"):
		return Chat, OpChat
	case host == "api.writer.com", strings.Contains(host, "voyageai"), strings.Contains(host, "aleph-alpha"):
		return "", ""
	case ends("/v1/completions"), ends("/completions") && strings.Contains(path, "/deployments/"):
		return Completions, OpChat
	case ends("/v1/responses"):
		return Responses, OpChat
	case ends("/embeddings"):
		return OpenAI, OpEmbed
	case strings.Contains(path, "/v1/images/"):
		return OpenAI, OpImage
	case strings.Contains(path, "/v1/audio/"):
		return OpenAI, OpAudio
	case ends("/v1/moderations"):
		return OpenAI, OpModeration
	case ends("/v1/models"):
		return OpenAI, OpModels
	}
	return "", ""
}

// provider names who answers at a host, by the catalogue's names where it has one.
func provider(host string) string {
	for _, p := range [...][2]string{
		{"bedrock-runtime.", "amazon-bedrock"}, {"api.openai.com", "openai"}, {"openai.azure.com", "azure"}, {"cognitiveservices.azure.com", "azure"}, {"api.anthropic.com", "anthropic"},
		{"generativelanguage.googleapis.com", "google"}, {"aiplatform.googleapis.com", "google-vertex"}, {"api.groq.com", "groq"}, {"api.x.ai", "xai"}, {"api.z.ai", "zai"},
		{"openrouter.ai", "openrouter"}, {"ai-gateway.vercel.sh", "vercel"}, {"router.huggingface.co", "huggingface"}, {"api.avian.io", "avian"}, {"api.deepseek.com", "deepseek"},
		{"api.mistral.ai", "mistral"}, {"api.cohere.com", "cohere"}, {"api.together.xyz", "togetherai"},
	} {
		if strings.Contains(host, p[0]) {
			return p[1]
		}
	}
	if host == "localhost" || host == "127.0.0.1" {
		return "local"
	}
	return host
}

// framing tells how an answer is streamed, by its media type; of Gemini's arrays, by its path.
func framing(x *Exchange) Framing {
	switch x.MediaType {
	case "text/event-stream":
		return SSE
	case "application/x-ndjson", "application/stream+json":
		return Lines
	case "application/vnd.amazon.eventstream":
		return Frames
	}
	if strings.HasSuffix(x.Path, ":streamGenerateContent") && strings.HasPrefix(strings.TrimSpace(x.Answer), "[") {
		return Array
	}
	if x.MediaType == "" && strings.HasPrefix(x.Answer, "data:") {
		return SSE
	}
	return Whole
}

// unusable says why an exchange cannot be used, "" if it can: its answer is not a whole body, or not a stream with
// its terminal event. An error status is no reason.
func unusable(x *Exchange) string {
	switch {
	case x.Dialect == "":
		return "no dialect's path"
	case x.Status == 0:
		return "no status"
	case x.Status >= 300 && x.Status < 400:
		return fmt.Sprintf("status %d", x.Status)
	case x.Status >= 400:
		return ""
	case x.Operation == OpAudio || x.Operation == OpImage:
		return ""
	case x.Answer == "":
		return "empty answer"
	}
	if strings.Contains(x.Query, "enum-encoding") {
		return "words as numbers ($alt=json;enum-encoding=int), which no caller of the gateway and not the gateway itself asks for"
	}
	end := ""
	switch x.Stream {
	case Whole, Array:
		var o struct{ Error json.RawMessage }
		if !json.Valid([]byte(x.Answer)) {
			return "body is not JSON"
		}
		if x.Operation == OpChat && json.Unmarshal([]byte(x.Answer), &o) == nil && len(o.Error) > 0 && o.Error[0] == '{' {
			return fmt.Sprintf("an error with status %d, made by hand; is reported as the error that it is", x.Status)
		}
		return ""
	case Lines:
		d, last := json.NewDecoder(strings.NewReader(x.Answer)), json.RawMessage(nil)
		for {
			var doc json.RawMessage
			if err := d.Decode(&doc); err == io.EOF {
				break
			} else if err != nil {
				return "a line is not JSON"
			}
			last = doc
		}
		if x.Dialect == Ollama && !bytes.Contains(last, []byte(`"done":true`)) {
			return "stream without its last line"
		}
		return ""
	case Frames:
		frames, err := unframe([]byte(x.Answer))
		if err != nil {
			return err.Error()
		}
		if x.Dialect == Converse && !strings.Contains(strings.Join(frames, " "), "messageStop") {
			return "stream without messageStop"
		}
		return ""
	case SSE:
		switch x.Dialect {
		case Chat, Completions:
			end = "[DONE]"
		case Messages:
			end = `"message_stop"`
		case Responses:
			if !strings.Contains(x.Answer, `"response.completed"`) && !strings.Contains(x.Answer, `"response.incomplete"`) && !strings.Contains(x.Answer, `"response.failed"`) {
				return "stream without its terminal event"
			}
		case Gemini:
			end = `"finishReason"`
		case Cohere:
			end = "message-end"
		}
	}
	if end != "" && !strings.Contains(x.Answer, end) {
		return "stream without " + strings.Trim(end, `"`)
	}
	return ""
}
