package mock

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// maxVector bounds the dimensions of a vector, and is what text-embedding-3-large has.
const maxVector = 3072

// pixel is a picture of one pixel (PNG, base64).
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// tasks registers OpenAI's endpoints that are no conversation.
func (h *Handler) tasks() {
	for path, endpoint := range map[string]func(*player, []byte) *refusal{
		"/v1/embeddings":           h.embeddings,
		"/v1/images/generations":   h.images,
		"/v1/images/edits":         h.imageEdits,
		"/v1/images/variations":    h.imageEdits,
		"/v1/audio/speech":         h.speech,
		"/v1/audio/transcriptions": h.transcriptions,
		"/v1/audio/translations":   h.transcriptions,
		"/v1/moderations":          h.moderations,
		"/v1/rerank":               h.rerank,
	} {
		h.mux.HandleFunc("POST "+path, h.provide(openAI{}, endpoint))
	}
}

// embeddings is POST /v1/embeddings. A text's vector is a function of the text.
func (h *Handler) embeddings(p *player, body []byte) *refusal {
	var q struct {
		Model      string `json:"model"`
		Input      texts  `json:"input"`
		Dimensions *int   `json:"dimensions"`
		Encoding   string `json:"encoding_format"`
		User       string `json:"user"`
	}
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return openAIUnreadable(err)
	}
	if !h.exists(OpenAI, q.Model) {
		return noModel(OpenAI, q.Model)
	}
	n := 8
	if q.Dimensions != nil {
		n = *q.Dimensions
	}
	if n < 1 || n > maxVector || len(q.Input) == 0 || q.Encoding != "" && q.Encoding != "float" && q.Encoding != "base64" {
		return &refusal{status: 400, typ: "invalid_request_error", message: "Invalid 'dimensions', 'input' or 'encoding_format'."}
	}
	type item struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	var data []item
	tokens := 0
	for i, text := range q.Input {
		v := vector(text, n)
		tokens += countTokens(text)
		if q.Encoding == "base64" {
			var raw []byte
			for _, f := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
			}
			data = append(data, item{"embedding", i, base64.StdEncoding.EncodeToString(raw)})
			continue
		}
		data = append(data, item{"embedding", i, v})
	}
	p.respond(200, mustJSON(map[string]any{"object": "list", "data": data, "model": q.Model, "usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens}}))
	return nil
}

// texts is a text or a list of texts.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*t = make(texts, 1)
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// vector is of length 1.
func vector(text string, n int) []float32 {
	v := make([]float32, n)
	sum := 0.0
	for i := range v {
		h := sha256.Sum256(fmt.Appendf(nil, "%d %s", i, text))
		f := float64(int32(binary.LittleEndian.Uint32(h[:]))) / math.MaxInt32
		v[i] = float32(f)
		sum += f * f
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

// countTokens is the mock's measure everywhere: a token for each word.
func countTokens(text string) int { return max(1, len(strings.Fields(text))) }

// images is POST /v1/images/generations.
func (h *Handler) images(p *player, body []byte) *refusal {
	var q struct {
		Model  string `json:"model"`
		Prompt string `json:"prompt"`
		N      int    `json:"n"`
		Stream bool   `json:"stream"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return openAIUnreadable(err)
	}
	if !h.exists(OpenAI, q.Model) {
		return noModel(OpenAI, q.Model)
	}
	if q.Prompt == "" {
		return &refusal{status: 400, typ: "invalid_request_error", code: "missing_required_parameter", param: "prompt", message: "Missing required parameter: 'prompt'."}
	}
	return h.picture(p, q.Prompt, q.N, q.Stream)
}

func (h *Handler) picture(p *player, prompt string, n int, stream bool) *refusal {
	in := countTokens(prompt)
	usage := map[string]any{"total_tokens": in + 100, "input_tokens": in, "output_tokens": 100, "input_tokens_details": map[string]int{"text_tokens": in, "image_tokens": 0}}
	if stream {
		var events [][]byte
		for i, kind := range []string{"image_generation.partial_image", "image_generation.completed"} {
			e := map[string]any{"type": kind, "b64_json": pixel}
			if i == 1 {
				e["usage"] = usage
			}
			events = append(events, fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, mustJSON(e)))
		}
		p.stream(events)
		return nil
	}
	data := slices.Repeat([]map[string]string{{"b64_json": pixel}}, max(1, n))
	p.respond(200, mustJSON(map[string]any{"created": h.o.Now().Unix(), "data": data, "usage": usage}))
	return nil
}

// imageEdits is POST /v1/images/edits and /v1/images/variations: forms with files.
func (h *Handler) imageEdits(p *player, body []byte) *refusal {
	f, bad := h.form(p, body, "image", "image[]")
	if bad != nil {
		return bad
	}
	return h.picture(p, f.value("prompt"), 1, f.value("stream") == "true")
}

// formBody is a form with files that was read.
type formBody struct{ *multipart.Form }

func (f formBody) value(name string) string {
	if v := f.Value[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// form reads a form that must name a model that exists and hold a file under one of some names.
func (h *Handler) form(p *player, body []byte, files ...string) (formBody, *refusal) {
	r := p.r.Clone(p.r.Context())
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if err := r.ParseMultipartForm(maxBody); err != nil {
		return formBody{}, &refusal{status: 400, typ: "invalid_request_error", message: "Could not parse multipart form"}
	}
	f := formBody{r.MultipartForm}
	if model := f.value("model"); !h.exists(OpenAI, model) {
		return f, noModel(OpenAI, model)
	}
	for _, name := range files {
		if len(f.File[name]) > 0 {
			return f, nil
		}
	}
	return f, &refusal{status: 400, typ: "invalid_request_error", param: files[0], message: "Missing required parameter: '" + files[0] + "'."}
}

// speech is POST /v1/audio/speech: what is spoken is the text itself.
func (h *Handler) speech(p *player, body []byte) *refusal {
	var q struct {
		Model string `json:"model"`
		Input string `json:"input"`
		Voice string `json:"voice"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return openAIUnreadable(err)
	}
	if !h.exists(OpenAI, q.Model) {
		return noModel(OpenAI, q.Model)
	}
	p.mediaType = "audio/mpeg"
	p.respond(200, append([]byte("ID3\x04\x00\x00\x00\x00\x00\x00"), q.Input...))
	return nil
}

// transcriptions is POST /v1/audio/transcriptions and /v1/audio/translations.
func (h *Handler) transcriptions(p *player, body []byte) *refusal {
	f, bad := h.form(p, body, "file")
	if bad != nil {
		return bad
	}
	file := f.File["file"][0]
	text := fmt.Sprintf("A file of %d bytes named %s.", file.Size, file.Filename)
	usage := map[string]any{"type": "tokens", "input_tokens": 14, "input_token_details": map[string]int{"text_tokens": 0, "audio_tokens": 14}, "output_tokens": countTokens(text), "total_tokens": 14 + countTokens(text)}
	switch {
	case f.value("stream") == "true":
		p.stream([][]byte{
			fmt.Appendf(nil, "data: %s\n\n", mustJSON(map[string]any{"type": "transcript.text.delta", "delta": text})),
			fmt.Appendf(nil, "data: %s\n\n", mustJSON(map[string]any{"type": "transcript.text.done", "text": text, "usage": usage})),
		})
	case f.value("response_format") == "text":
		p.mediaType = "text/plain; charset=utf-8"
		p.respond(200, []byte(text+"\n"))
	default:
		p.respond(200, mustJSON(map[string]any{"text": text, "usage": usage}))
	}
	return nil
}

// moderations is POST /v1/moderations: texts with the word "violence" are flagged.
func (h *Handler) moderations(p *player, body []byte) *refusal {
	var q struct {
		Model string `json:"model"`
		Input texts  `json:"input"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return openAIUnreadable(err)
	}
	var results []any
	for _, text := range q.Input {
		bad := strings.Contains(strings.ToLower(text), "violence")
		score := 0.01
		if bad {
			score = 0.99
		}
		results = append(results, map[string]any{"flagged": bad, "categories": map[string]bool{"violence": bad}, "category_scores": map[string]float64{"violence": score}})
	}
	p.respond(200, mustJSON(map[string]any{"id": "modr-" + p.id, "model": q.Model, "results": results}))
	return nil
}

// rerank is POST /v1/rerank, in the form of Cohere: documents come by how many words they share with the query.
func (h *Handler) rerank(p *player, body []byte) *refusal {
	var q struct {
		Model     string   `json:"model"`
		Query     string   `json:"query"`
		Documents []string `json:"documents"`
		TopN      *int     `json:"top_n"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return openAIUnreadable(err)
	}
	type result struct {
		Index int     `json:"index"`
		Score float64 `json:"relevance_score"`
	}
	results := []result{}
	words := strings.Fields(strings.ToLower(q.Query))
	for i, d := range q.Documents {
		shared := 0
		for _, w := range strings.Fields(strings.ToLower(d)) {
			if slices.Contains(words, w) {
				shared++
			}
		}
		results = append(results, result{i, float64(shared) / float64(max(1, len(words)))})
	}
	slices.SortStableFunc(results, func(a, b result) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	if q.TopN != nil {
		results = results[:min(len(results), max(0, *q.TopN))]
	}
	p.respond(200, mustJSON(map[string]any{"id": p.id, "results": results, "meta": map[string]any{"billed_units": map[string]int{"search_units": 1}}}))
	return nil
}

// anthropicCount is POST /v1/messages/count_tokens.
func (h *Handler) anthropicCount(p *player, body []byte) *refusal {
	var q anthropicRequest
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return anthropicUnreadable(err)
	}
	one := 1
	q.MaxTokens = &one // which this endpoint does not take
	c, bad := q.chat(body)
	if bad != nil {
		return bad
	}
	if !h.exists(Anthropic, q.Model) {
		return noModel(Anthropic, q.Model)
	}
	p.respond(http.StatusOK, mustJSON(map[string]int{"input_tokens": compose(c, 0).input}))
	return nil
}
