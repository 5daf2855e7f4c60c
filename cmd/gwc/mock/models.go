package mock

import (
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
)

// shelves are the models that the lists name where the options name none.
var shelves = [...]struct {
	id, kind, title string
	created         int64
	date            string
}{
	{"gpt-5", OpenAI, "GPT-5", 1754425777, ""},
	{"gpt-5-mini", OpenAI, "GPT-5 mini", 1754425928, ""},
	{"gpt-4o", OpenAI, "GPT-4o", 1715367049, ""},
	{"gpt-4o-mini", OpenAI, "GPT-4o mini", 1721172741, ""},
	{"gemini-3-pro-preview", Gemini, "Gemini 3 Pro Preview", 0, ""},
	{"gemini-2.5-flash", Gemini, "Gemini 2.5 Flash", 0, ""},
	{"claude-sonnet-4-5", Anthropic, "Claude Sonnet 4.5", 1759104000, "2025-09-29T00:00:00Z"},
	{"claude-haiku-4-5", Anthropic, "Claude Haiku 4.5", 1759276800, "2025-10-01T00:00:00Z"},
	{"claude-opus-4-5", Anthropic, "Claude Opus 4.5", 1763942400, "2025-11-24T00:00:00Z"},
}

type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type anthropicModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

// models answers both GET /v1/models and GET /v1/models/{model}, in the shape of the provider that the headers mean.
func (h *Handler) models(w http.ResponseWriter, r *http.Request) {
	kind := h.o.Provider
	if kind == "" {
		kind = OpenAI
		if r.Header.Get("Anthropic-Version") != "" || r.Header.Get("X-Api-Key") != "" {
			kind = Anthropic
		}
	}
	var d dialect = openAI{}
	if kind == Anthropic {
		d = anthropic{}
	}
	h.provide(d, func(p *player, _ []byte) *refusal {
		var o []openAIModel
		var a []anthropicModel
		add := func(id, title string, created int64, date string) {
			o = append(o, openAIModel{id, "model", created, "system"})
			a = append(a, anthropicModel{"model", id, title, date})
		}
		for _, m := range shelves {
			if len(h.o.Models) == 0 && m.kind == kind {
				add(m.id, m.title, m.created, m.date)
			}
		}
		for _, id := range h.o.Models {
			add(id, id, 1700000000, "2023-11-14T22:13:20Z")
		}
		if id := r.PathValue("model"); id != "" {
			if !h.exists(kind, id) {
				return noModel(kind, id)
			}
			i := slices.IndexFunc(o, func(m openAIModel) bool { return m.ID == id })
			if i < 0 {
				i = len(o)
				add(id, id, 1700000000, "2023-11-14T22:13:20Z")
			}
			if kind == Anthropic {
				p.respond(200, mustJSON(a[i]))
			} else {
				p.respond(200, mustJSON(o[i]))
			}
			return nil
		}
		if kind == Anthropic {
			p.respond(200, mustJSON(struct {
				Data    []anthropicModel `json:"data"`
				HasMore bool             `json:"has_more"`
				FirstID string           `json:"first_id"`
				LastID  string           `json:"last_id"`
			}{a, false, a[0].ID, a[len(a)-1].ID}))
			return nil
		}
		p.respond(200, mustJSON(struct {
			Object string        `json:"object"`
			Data   []openAIModel `json:"data"`
		}{"list", o}))
		return nil
	})(w, r)
}

func noModel(kind, id string) *refusal {
	if kind == Anthropic {
		return &refusal{status: 404, typ: "not_found_error", message: "model: " + id}
	}
	return &refusal{status: 404, typ: "invalid_request_error", code: "model_not_found", message: "The model `" + id + "` does not exist or you do not have access to it."}
}

// mustJSON writes a value whose type is always writable.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err) // a type of this package that cannot be written is a bug in it
	}
	return b
}
