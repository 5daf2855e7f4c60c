package mock

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
)

// The endpoints for vectors of providers that have another form than OpenAI's. A text has the same vector everywhere.

// cohereEmbed is POST /v2/embed.
func (h *Handler) cohereEmbed(p *player, body []byte) *refusal {
	var q struct {
		Model     string   `json:"model"`
		InputType string   `json:"input_type"`
		Types     []string `json:"embedding_types"`
		Texts     []string `json:"texts"`
		Dimension *int     `json:"output_dimension"`
	}
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil || q.Model == "" || q.InputType == "" || len(q.Texts) == 0 || len(q.Texts) > 96 {
		return &refusal{status: 400, message: "invalid request: model, input_type and 1 to 96 texts are required"}
	}
	vectors, tokens := vectorsOf(q.Texts, q.Dimension)
	p.respond(http.StatusOK, mustJSON(map[string]any{"id": p.id, "embeddings": map[string]any{"float": vectors}, "texts": q.Texts,
		"meta": map[string]any{"api_version": map[string]string{"version": "2"}, "billed_units": map[string]int{"input_tokens": tokens}}}))
	return nil
}

// ollamaEmbed is POST /api/embed.
func (h *Handler) ollamaEmbed(p *player, body []byte) *refusal {
	var q struct {
		Model      string `json:"model"`
		Input      texts  `json:"input"`
		Dimensions *int   `json:"dimensions"`
	}
	if err := json.Unmarshal(body, &q); err != nil || q.Model == "" {
		return &refusal{status: 400, message: "invalid request"}
	}
	vectors, tokens := vectorsOf(q.Input, q.Dimensions)
	p.respond(http.StatusOK, mustJSON(map[string]any{"model": q.Model, "embeddings": vectors, "prompt_eval_count": tokens}))
	return nil
}

// googleEmbedding asks for the vector of one text.
type googleEmbedding struct {
	Model   string `json:"model"`
	Content struct {
		Role  string `json:"role"`
		Parts []struct {
			Text string `json:"text"`
		} `json:"parts"`
	} `json:"content"`
	Task      string `json:"taskType"`
	Title     string `json:"title"`
	Dimension *int   `json:"outputDimensionality"`
}

// values is the vector.
func (q *googleEmbedding) values() map[string]any {
	var text strings.Builder
	for _, part := range q.Content.Parts {
		text.WriteString(part.Text)
	}
	v, _ := vectorsOf([]string{text.String()}, q.Dimension)
	return map[string]any{"values": v[0]}
}

// googleEmbedOne is POST …:embedContent.
func (h *Handler) googleEmbedOne(p *player, body []byte, model string) *refusal {
	var q googleEmbedding
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return googleUnreadable(err)
	}
	if q.Model != "" && q.Model != "models/"+model {
		return wrong("the model of the body, %q, is not the one of the path", q.Model)
	}
	p.respond(http.StatusOK, mustJSON(map[string]any{"embedding": q.values()}))
	return nil
}

// googleCount is POST …:countTokens.
func (h *Handler) googleCount(p *player, body []byte, model string) *refusal {
	var q struct {
		googleRequest
		Whole *struct {
			Model string `json:"model"`
			googleRequest
		} `json:"generateContentRequest"`
	}
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true), json.MatchCaseInsensitiveNames(true)); err != nil {
		return googleUnreadable(err)
	}
	request := &q.googleRequest
	if q.Whole != nil {
		if q.Whole.Model != "models/"+model {
			return wrong("the model of the request, %q, is not the one of the path", q.Whole.Model)
		}
		request = &q.Whole.googleRequest
	}
	c, bad := request.chat(model, body)
	if bad != nil {
		return bad
	}
	p.respond(http.StatusOK, mustJSON(map[string]any{"totalTokens": c.promptTokens(), "promptTokensDetails": []any{map[string]any{"modality": "TEXT", "tokenCount": c.promptTokens()}}}))
	return nil
}

// googleEmbed is POST …:batchEmbedContents.
func (h *Handler) googleEmbed(p *player, body []byte) *refusal {
	var q struct {
		Requests []googleEmbedding `json:"requests"`
	}
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil || len(q.Requests) == 0 {
		return &refusal{status: 400, typ: "INVALID_ARGUMENT", message: "Invalid JSON payload received."}
	}
	var list []any
	for _, r := range q.Requests {
		list = append(list, r.values())
	}
	p.respond(http.StatusOK, mustJSON(map[string]any{"embeddings": list}))
	return nil
}

// googlePredict is POST …:predict, with which Vertex AI gives vectors.
func (h *Handler) googlePredict(p *player, body []byte) *refusal {
	var q struct {
		Instances []struct {
			Content string `json:"content"`
			Task    string `json:"task_type"`
		} `json:"instances"`
		Parameters struct {
			Dimension *int `json:"outputDimensionality"`
		} `json:"parameters"`
	}
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil || len(q.Instances) == 0 {
		return &refusal{status: 400, typ: "INVALID_ARGUMENT", message: "Invalid JSON payload received."}
	}
	var list []any
	for _, i := range q.Instances {
		v, tokens := vectorsOf([]string{i.Content}, q.Parameters.Dimension)
		list = append(list, map[string]any{"embeddings": map[string]any{"values": v[0], "statistics": map[string]int{"token_count": tokens}}})
	}
	p.respond(http.StatusOK, mustJSON(map[string]any{"predictions": list}))
	return nil
}

// vectorsOf gives the vectors of some texts, and how many tokens the texts have.
func vectorsOf(list []string, dimensions *int) (vectors [][]float32, tokens int) {
	n := 8
	if dimensions != nil {
		n = min(max(*dimensions, 1), maxVector)
	}
	for _, text := range list {
		vectors = append(vectors, vector(text, n))
		tokens += countTokens(text)
	}
	return vectors, tokens
}
