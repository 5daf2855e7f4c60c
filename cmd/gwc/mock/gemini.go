package mock

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// google is the generateContent dialect (ai.google.dev/api/generate-content), as the Gemini API and Vertex AI serve it.
type google struct {
	array bool // the stream is a JSON array
}

func (google) credential(r *http.Request) (string, *refusal) {
	key := r.Header.Get("X-Goog-Api-Key")
	if key == "" {
		key, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	if key == "" {
		return "", &refusal{status: 403, message: "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."}
	}
	return key, nil
}

func (google) headers(h http.Header, id string, _ int) {
	h.Set("Content-Type", "application/json; charset=UTF-8")
	h.Set("X-Request-Id", id)
}

// refuse writes a google.rpc.Status.
func (google) refuse(b *refusal) []byte {
	type detail map[string]any
	e := struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Status  string   `json:"status"`
		Details []detail `json:"details,omitempty"`
	}{Code: b.status, Message: b.message, Status: googleStatus(b.status)}
	if b.code == "invalid_api_key" { // the API calls a wrong key a wrong argument
		e.Code, e.Status, e.Message = 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."
		e.Details = append(e.Details, detail{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"})
	}
	if b.retryAfter != "" {
		e.Details = append(e.Details, detail{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": b.retryAfter + "s"})
	}
	return mustJSON(map[string]any{"error": e})
}

func googleStatus(status int) string {
	switch status {
	case 401:
		return "UNAUTHENTICATED"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "NOT_FOUND"
	case 429:
		return "RESOURCE_EXHAUSTED"
	case 503, 529:
		return "UNAVAILABLE"
	case 504:
		return "DEADLINE_EXCEEDED"
	}
	if status >= 500 {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

func (g google) midstream() []byte {
	const e = `{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`
	if g.array {
		return []byte(",\r\n" + e + "]")
	}
	return []byte("data: " + e + "\r\n\r\n")
}

// googleRequest has every field that the API documents; another one is refused, as the API refuses it.
type googleRequest struct {
	Model             string          `json:"model"`
	Contents          []googleContent `json:"contents"`
	SystemInstruction *googleContent  `json:"systemInstruction"`
	Tools             []googleTool    `json:"tools"`
	ToolConfig        struct {
		FunctionCallingConfig struct {
			Mode                 string   `json:"mode"`
			AllowedFunctionNames []string `json:"allowedFunctionNames"`
		} `json:"functionCallingConfig"`
		RetrievalConfig jsontext.Value `json:"retrievalConfig"`
	} `json:"toolConfig"`
	GenerationConfig googleConfig      `json:"generationConfig"`
	SafetySettings   []jsontext.Value  `json:"safetySettings"`
	CachedContent    string            `json:"cachedContent"`
	Labels           map[string]string `json:"labels"`
	ServiceTier      string            `json:"serviceTier"`
	Store            *bool             `json:"store"`
}

type googleConfig struct {
	Temperature        *float64       `json:"temperature"`
	TopP               *float64       `json:"topP"`
	TopK               *float64       `json:"topK"`
	CandidateCount     *int           `json:"candidateCount"`
	MaxOutputTokens    *int           `json:"maxOutputTokens"`
	StopSequences      []string       `json:"stopSequences"`
	Seed               *int32         `json:"seed"`
	PresencePenalty    *float64       `json:"presencePenalty"`
	FrequencyPenalty   *float64       `json:"frequencyPenalty"`
	ResponseLogprobs   *bool          `json:"responseLogprobs"`
	Logprobs           *int           `json:"logprobs"`
	ResponseMimeType   string         `json:"responseMimeType"`
	ResponseSchema     jsontext.Value `json:"responseSchema"`
	ResponseJsonSchema jsontext.Value `json:"responseJsonSchema"`
	ResponseModalities []string       `json:"responseModalities"`
	SpeechConfig       jsontext.Value `json:"speechConfig"`
	MediaResolution    string         `json:"mediaResolution"`
	ImageConfig        jsontext.Value `json:"imageConfig"`
	ThinkingConfig     *struct {
		IncludeThoughts bool   `json:"includeThoughts"`
		ThinkingBudget  *int   `json:"thinkingBudget"`
		ThinkingLevel   string `json:"thinkingLevel"`
	} `json:"thinkingConfig"`
}

type googleContent struct {
	Role  string       `json:"role"`
	Parts []googlePart `json:"parts"`
}

type googleBlob struct {
	MimeType    string `json:"mimeType"`
	Data        string `json:"data"`
	FileURI     string `json:"fileUri"`
	DisplayName string `json:"displayName"`
}

type googlePart struct {
	Text             *string     `json:"text"`
	Thought          bool        `json:"thought"`
	ThoughtSignature string      `json:"thoughtSignature"`
	InlineData       *googleBlob `json:"inlineData"`
	FileData         *googleBlob `json:"fileData"`
	FunctionCall     *struct {
		ID   string         `json:"id"`
		Name string         `json:"name"`
		Args jsontext.Value `json:"args"`
	} `json:"functionCall"`
	FunctionResponse *struct {
		ID       string         `json:"id"`
		Name     string         `json:"name"`
		Response jsontext.Value `json:"response"`
		Parts    []googlePart   `json:"parts"`
	} `json:"functionResponse"`
	VideoMetadata   jsontext.Value `json:"videoMetadata"`
	MediaResolution jsontext.Value `json:"mediaResolution"`
}

type googleTool struct {
	FunctionDeclarations []struct {
		Name                 string         `json:"name"`
		Description          string         `json:"description"`
		Parameters           jsontext.Value `json:"parameters"`
		ParametersJsonSchema jsontext.Value `json:"parametersJsonSchema"`
		Response             jsontext.Value `json:"response"`
		ResponseJsonSchema   jsontext.Value `json:"responseJsonSchema"`
		Behavior             string         `json:"behavior"`
	} `json:"functionDeclarations"`
	GoogleSearch  jsontext.Value `json:"googleSearch"`
	CodeExecution jsontext.Value `json:"codeExecution"`
	URLContext    jsontext.Value `json:"urlContext"`
}

// googleModels is GET /v1beta/models, and of one model.
func (h *Handler) googleModels(p *player, _ []byte) *refusal {
	card := func(id, title string) map[string]any {
		return map[string]any{"name": "models/" + id, "version": "001", "displayName": title, "inputTokenLimit": 1048576, "outputTokenLimit": 65536,
			"supportedGenerationMethods": []string{"generateContent", "countTokens"}}
	}
	if id := p.r.PathValue("call"); id != "" {
		if !h.exists(Gemini, id) {
			return noGoogleModel(id)
		}
		p.respond(200, mustJSON(card(id, id)))
		return nil
	}
	var list []map[string]any
	for _, m := range shelves {
		if len(h.o.Models) == 0 && m.kind == Gemini {
			list = append(list, card(m.id, m.title))
		}
	}
	for _, id := range h.o.Models {
		list = append(list, card(id, id))
	}
	p.respond(200, mustJSON(map[string]any{"models": list}))
	return nil
}

func noGoogleModel(id string) *refusal {
	return &refusal{status: 404, message: fmt.Sprintf("models/%s is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.", id)}
}

// googleCall is POST …/models/{model}:{method}.
func (h *Handler) googleCall(w http.ResponseWriter, r *http.Request) {
	model, method, _ := strings.Cut(r.PathValue("call"), ":")
	d := google{array: method == "streamGenerateContent" && r.URL.Query().Get("alt") != "sse"}
	h.provide(d, func(p *player, body []byte) *refusal {
		switch method {
		case "batchEmbedContents":
			return h.googleEmbed(p, body)
		case "embedContent":
			return h.googleEmbedOne(p, body, model)
		case "countTokens":
			return h.googleCount(p, body, model)
		case "predict":
			return h.googlePredict(p, body)
		}
		if method != "generateContent" && method != "streamGenerateContent" {
			return &refusal{status: 404, message: "no such method: " + method}
		}
		var q googleRequest
		if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true), json.MatchCaseInsensitiveNames(true)); err != nil {
			return googleUnreadable(err)
		}
		c, bad := q.chat(model, body)
		if bad != nil {
			return bad
		}
		if !h.exists(Gemini, model) {
			return noGoogleModel(model)
		}
		a := compose(c, h.o.Chunks)
		out := googleWriter{answer: a, model: model, candidates: 1, thoughts: q.GenerationConfig.ThinkingConfig != nil && q.GenerationConfig.ThinkingConfig.IncludeThoughts}
		if n := q.GenerationConfig.CandidateCount; n != nil {
			out.candidates = *n
		}
		switch {
		case method == "generateContent":
			p.respond(200, out.body())
		case d.array:
			p.mediaType = "application/json; charset=UTF-8"
			p.stream(out.array())
		default:
			p.mediaType = "text/event-stream"
			p.stream(out.events())
		}
		return nil
	})(w, r)
}

func googleUnreadable(err error) *refusal {
	var se *json.SemanticError
	if !errors.As(err, &se) {
		return wrong("Invalid JSON payload received. %v", err)
	}
	at := dotted(se.JSONPointer, "[%s]")
	if errors.Is(err, json.ErrUnknownName) {
		parent, name := "", at
		if dot := strings.LastIndexByte(at, '.'); dot >= 0 {
			parent, name = " at '"+at[:dot]+"'", at[dot+1:]
		}
		return wrong("Invalid JSON payload received. Unknown name %q%s: Cannot find field.", name, parent)
	}
	return wrong("Invalid value at '%s', %s", at, kindName(se.JSONKind))
}

// chat checks the request as the API does and reduces it.
func (q *googleRequest) chat(model string, body []byte) (*chat, *refusal) {
	g := &q.GenerationConfig
	c := &chat{model: model, choice: "auto", parallel: true, stops: g.StopSequences, seed: sha256.Sum256(body)}
	switch {
	case len(q.Contents) == 0:
		return nil, wrong("* GenerateContentRequest.contents: contents is not specified")
	case len(g.StopSequences) > 5:
		return nil, wrong("* GenerateContentRequest.generation_config.stop_sequences: the number of stop sequences must be at most 5")
	case g.Temperature != nil && (*g.Temperature < 0 || *g.Temperature > 2):
		return nil, wrong("* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]")
	case g.MaxOutputTokens != nil && *g.MaxOutputTokens < 1:
		return nil, wrong("* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive")
	case g.CandidateCount != nil && (*g.CandidateCount < 1 || *g.CandidateCount > 8):
		return nil, wrong("* GenerateContentRequest.generation_config.candidate_count: the number of candidates must be in the range [1, 8]")
	case len(g.ResponseSchema) > 0 && len(g.ResponseJsonSchema) > 0:
		return nil, wrong("Only one of response_schema and response_json_schema may be set")
	case (len(g.ResponseSchema) > 0 || len(g.ResponseJsonSchema) > 0) && g.ResponseMimeType != "application/json":
		return nil, wrong("* GenerateContentRequest.generation_config.response_mime_type: response_schema needs 'application/json'")
	}
	if g.MaxOutputTokens != nil {
		c.maxTokens = *g.MaxOutputTokens
	}
	if t := g.ThinkingConfig; t != nil {
		newer := !strings.HasPrefix(model, "gemini-2")
		switch {
		case t.ThinkingBudget != nil && t.ThinkingLevel != "":
			return nil, wrong("You can only set only one of thinking budget and thinking level.")
		case t.ThinkingLevel != "" && !newer:
			return nil, wrong("Thinking level is not supported for this model.")
		case t.ThinkingLevel != "" && !slices.Contains([]string{"MINIMAL", "LOW", "MEDIUM", "HIGH"}, strings.ToUpper(t.ThinkingLevel)):
			return nil, wrong("Invalid value at 'generation_config.thinking_config.thinking_level', %q", t.ThinkingLevel)
		}
		c.thinking = t.ThinkingBudget == nil || *t.ThinkingBudget != 0
	}
	if q.SystemInstruction != nil {
		for _, p := range q.SystemInstruction.Parts {
			if p.Text != nil {
				if c.system != "" {
					c.system += "\n"
				}
				c.system += *p.Text
			}
		}
	}
	if bad := q.functions(c); bad != nil {
		return nil, bad
	}
	if g.ResponseMimeType == "application/json" {
		if len(c.tools) > 0 && strings.HasPrefix(model, "gemini-2") {
			return nil, wrong("Function calling with a response mime type: 'application/json' is unsupported")
		}
		switch {
		case len(g.ResponseSchema) > 0:
			c.schema = lowerTypes(object(g.ResponseSchema))
		case len(g.ResponseJsonSchema) > 0:
			c.schema = object(g.ResponseJsonSchema)
		default:
			c.schema = map[string]any{"type": "object", "properties": map[string]any{"answer": map[string]any{"type": "string"}}}
		}
		if c.schema == nil {
			return nil, wrong("* GenerateContentRequest.generation_config.response_schema: it must be an object")
		}
	}
	if bad := q.conversation(c); bad != nil {
		return nil, bad
	}
	return c, nil
}

// lowerTypes makes JSON Schema's types of the API's own.
func lowerTypes(v map[string]any) map[string]any {
	for k, inner := range v {
		switch x := inner.(type) {
		case string:
			if k == "type" {
				v[k] = strings.ToLower(x)
			}
		case map[string]any:
			lowerTypes(x)
		case []any:
			for _, e := range x {
				if m, ok := e.(map[string]any); ok {
					lowerTypes(m)
				}
			}
		}
	}
	return v
}

func (q *googleRequest) functions(c *chat) *refusal {
	names := map[string]bool{}
	for _, t := range q.Tools {
		for i, f := range t.FunctionDeclarations {
			at := fmt.Sprintf("* GenerateContentRequest.tools[0].function_declarations[%d]", i)
			u := tool{name: f.Name, description: f.Description, size: len(f.Name) + len(f.Description) + len(f.Parameters) + len(f.ParametersJsonSchema), schema: map[string]any{"type": "object"}}
			switch {
			case !googleName(f.Name):
				return wrong("%s.name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.) or dashes (-), with a maximum length of 64.", at)
			case names[f.Name]:
				return wrong("Duplicate function declaration found: %s", f.Name)
			case len(f.Parameters) > 0 && len(f.ParametersJsonSchema) > 0:
				return wrong("%s: only one of parameters and parameters_json_schema may be set", at)
			case len(f.Parameters) > 0:
				u.schema = lowerTypes(object(f.Parameters))
				if props, ok := u.schema["properties"].(map[string]any); u.schema["type"] == "object" && (!ok || len(props) == 0) {
					return wrong("%s.parameters.properties: should be non-empty for OBJECT type", at)
				}
			case len(f.ParametersJsonSchema) > 0:
				u.schema = object(f.ParametersJsonSchema)
			}
			if u.schema == nil {
				return wrong("%s.parameters: it must be an object", at)
			}
			names[f.Name] = true
			c.tools = append(c.tools, u)
		}
	}
	k := &q.ToolConfig.FunctionCallingConfig
	switch k.Mode {
	case "", "AUTO", "VALIDATED":
	case "NONE":
		c.choice = "none"
	case "ANY":
		c.choice = "required"
		if len(c.tools) == 0 {
			return wrong("Function calling config is set without function_declarations.")
		}
	default:
		return wrong("Invalid value at 'tool_config.function_calling_config.mode', %q", k.Mode)
	}
	for _, name := range k.AllowedFunctionNames {
		if k.Mode != "ANY" {
			return wrong("allowed_function_names should only be set when the mode is ANY.")
		}
		if !names[name] {
			return wrong("tool_config.function_calling_config.allowed_function_names: %q is not declared", name)
		}
		c.choice, c.choiceName = "tool", name
	}
	return nil
}

func googleName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r != '.' && r != '-' && r != ':' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// modelTurns joins neighbours of the model, as the API does: Google's own SDKs give a turn that came in a stream back in
// its pieces.
func modelTurns(list []googleContent) (joined []googleContent) {
	for _, m := range list {
		if n := len(joined); n > 0 && m.Role == "model" && joined[n-1].Role == "model" && len(m.Parts) > 0 {
			joined[n-1].Parts = append(slices.Clip(joined[n-1].Parts), m.Parts...)
			continue
		}
		joined = append(joined, m)
	}
	return joined
}

// conversation checks the turns. It is stricter than the API in one thing: neighbours of the user, which the API joins,
// are refused, because a translation that leaves them is a translation that did not think of turns.
func (q *googleRequest) conversation(c *chat) *refusal {
	q.Contents = modelTurns(q.Contents)
	var open []call // of the model's turn before
	current := 0    // where the user spoke last
	for i, m := range q.Contents {
		if m.Role != "model" && !slices.ContainsFunc(m.Parts, func(p googlePart) bool { return p.FunctionResponse != nil }) {
			current = i
		}
	}
	for i, m := range q.Contents {
		t := turn{role: "user"}
		switch m.Role {
		case "model":
			t.role = "assistant"
		case "", "user", "function":
		default:
			return wrong("Please use a valid role: user, model.")
		}
		if len(m.Parts) == 0 {
			return wrong("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		if i > 0 && (q.Contents[i-1].Role == "model") == (m.Role == "model") {
			return wrong("Please ensure that multiturn requests alternate between user and model.")
		}
		responses := 0
		for k, p := range m.Parts {
			at := fmt.Sprintf("* GenerateContentRequest.contents[%d].parts[%d]", i, k)
			switch {
			case p.FunctionCall != nil:
				f := p.FunctionCall
				if m.Role != "model" || i == 0 {
					return wrong("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
				}
				if len(f.Args) > 0 && f.Args.Kind() != '{' {
					return wrong("%s.function_call.args: it must be an object", at)
				}
				if i > current && len(t.calls) == 0 && !strings.HasPrefix(c.model, "gemini-2") {
					switch p.ThoughtSignature {
					case thinkingSignature, "skip_thought_signature_validator":
					case "":
						return wrong("Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:%s` , position %d.", f.Name, k+1)
					default:
						return wrong("Thought signature is not valid.")
					}
				}
				id := f.ID
				if id == "" {
					id = fmt.Sprintf("%s#%d", f.Name, len(t.calls))
				}
				t.calls = append(t.calls, call{id, f.Name, string(f.Args)})
			case p.FunctionResponse != nil:
				f := p.FunctionResponse
				at := slices.IndexFunc(open, func(k call) bool { return k.name == f.Name && (f.ID == "" || f.ID == k.id) })
				if m.Role == "model" || at < 0 {
					return wrong("Please ensure that function response turn comes immediately after a function call turn.")
				}
				r := result{id: open[at].id}
				open = slices.Delete(open, at, at+1)
				said := object(f.Response)
				if said == nil {
					return wrong("* GenerateContentRequest.contents[%d].parts[%d].function_response.response: it must be an object", i, k)
				}
				r.text = string(f.Response)
				if s, ok := said["output"].(string); ok && len(said) == 1 {
					r.text = s
				}
				if s, ok := said["error"].(string); ok && len(said) == 1 {
					r.text, r.failed = s, true
				}
				for _, inner := range f.Parts {
					if inner.InlineData != nil {
						r.images++
					}
				}
				responses++
				t.results = append(t.results, r)
			case p.InlineData != nil:
				d, ok := imageData(p.InlineData.MimeType, p.InlineData.Data)
				if !ok || p.InlineData.MimeType == "" {
					return wrong("%s.inline_data: Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting", at)
				}
				t.images = append(t.images, d)
			case p.FileData != nil:
				t.images = append(t.images, p.FileData.FileURI)
			case p.Thought:
				if p.ThoughtSignature != "" && p.ThoughtSignature != thinkingSignature {
					return wrong("Thought signature is not valid.")
				}
			case p.Text != nil:
				if *p.Text == "" && p.ThoughtSignature == "" {
					return wrong("%s.data: required oneof field 'data' must have one initialized field", at)
				}
				if t.text != "" {
					t.text += "\n"
				}
				t.text += *p.Text
			default:
				return wrong("%s.data: required oneof field 'data' must have one initialized field", at)
			}
		}
		if responses > 0 && len(open) > 0 || responses == 0 && len(open) > 0 && m.Role != "model" {
			return wrong("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		}
		open = slices.Clone(t.calls)
		c.turns = append(c.turns, t)
	}
	return nil
}

// googleWriter writes an answer in this dialect. Models before Gemini 3 give their calls no ids.
type googleWriter struct {
	*answer
	model      string
	candidates int
	thoughts   bool
}

// fields are an object of JSON.
type fields = map[string]any

func (w *googleWriter) reason() string {
	if w.stop == "length" {
		return "MAX_TOKENS"
	}
	return "STOP"
}

// usage counts in this dialect's convention: thoughts are beside the candidates.
func (w *googleWriter) usage() fields {
	u := fields{"promptTokenCount": w.input, "candidatesTokenCount": w.output - w.reasoning, "totalTokenCount": w.input + w.output,
		"promptTokensDetails": []fields{{"modality": "TEXT", "tokenCount": w.input}}}
	if w.cacheRead > 0 {
		u["cachedContentTokenCount"] = w.cacheRead
	}
	if w.reasoning > 0 {
		u["thoughtsTokenCount"] = w.reasoning
	}
	return u
}

func (w *googleWriter) calledParts() (parts []fields) {
	for i, k := range w.calls {
		f := fields{"name": k.name, "args": jsontext.Value(k.arguments)}
		p := fields{"functionCall": f}
		if !strings.HasPrefix(w.model, "gemini-2") {
			f["id"] = k.id
			if i == 0 {
				p["thoughtSignature"] = thinkingSignature
			}
		}
		parts = append(parts, p)
	}
	return parts
}

func (w *googleWriter) chunk(reason string, parts []fields) fields {
	var list []fields
	for i := range w.candidates {
		c := fields{"content": fields{"parts": parts, "role": "model"}, "index": i}
		if reason != "" {
			c["finishReason"] = reason
		}
		list = append(list, c)
	}
	return fields{"candidates": list, "usageMetadata": w.usage(), "modelVersion": w.model, "responseId": w.id}
}

func (w *googleWriter) body() []byte {
	parts := []fields{}
	if w.thoughts && w.thinking != nil {
		parts = append(parts, fields{"text": strings.Join(w.thinking, ""), "thought": true})
	}
	if text := w.text(); text != "" {
		parts = append(parts, fields{"text": text})
	}
	return mustJSON(w.chunk(w.reason(), append(parts, w.calledParts()...)))
}

// chunks are the pieces of the stream, each whole.
func (w *googleWriter) chunks() (out [][]byte) {
	add := func(reason string, parts ...fields) { out = append(out, mustJSON(w.chunk(reason, parts))) }
	if w.thoughts {
		for _, s := range w.thinking {
			add("", fields{"text": s, "thought": true})
		}
	}
	for _, s := range w.pieces {
		add("", fields{"text": s})
	}
	if calls := w.calledParts(); len(calls) > 0 {
		add("", calls...)
	}
	add(w.reason(), fields{"text": ""})
	return out
}

func (w *googleWriter) events() (out [][]byte) {
	for _, c := range w.chunks() {
		out = append(out, fmt.Appendf(nil, "data: %s\r\n\r\n", c))
	}
	return out
}

func (w *googleWriter) array() (out [][]byte) {
	chunks := w.chunks()
	for i, c := range chunks {
		sep, end := ",\r\n", ""
		if i == 0 {
			sep = "["
		}
		if i == len(chunks)-1 {
			end = "\n]\n"
		}
		out = append(out, fmt.Appendf(nil, "%s%s%s", sep, c, end))
	}
	return out
}

// googleToken is POST /token, the OAuth 2.0 endpoint at which a service account's assertion (RFC 7523) becomes a token.
// The mock takes any assertion of the right form.
func (h *Handler) googleToken(p *player, body []byte) *refusal {
	p.r.Form = nil
	form := string(body)
	if !strings.Contains(form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer") || strings.Count(form, ".") < 2 {
		return &refusal{status: 400, typ: "invalid_grant", message: "the assertion is not a JWT"}
	}
	p.mediaType = "application/json"
	p.respond(200, mustJSON(fields{"access_token": "mock-access-token", "token_type": "Bearer", "expires_in": 3599}))
	return nil
}

// vertexClaude is POST …/publishers/anthropic/models/{model}:rawPredict and its streamRawPredict: the Messages API with the
// model in the path and its version in the body.
func (h *Handler) vertexClaude(w http.ResponseWriter, r *http.Request) {
	model, method, _ := strings.Cut(r.PathValue("call"), ":")
	h.provide(vertexAnthropic{}, func(p *player, body []byte) *refusal {
		q := object(body)
		streams, _ := q["stream"].(bool)
		switch {
		case q == nil:
			return wrong("The request body is not a JSON object")
		case method != "rawPredict" && method != "streamRawPredict":
			return &refusal{status: 404, message: "no such method: " + method}
		case q["model"] != nil:
			return wrong("model: Extra inputs are not permitted")
		case q["anthropic_version"] != "vertex-2023-10-16":
			return wrong("anthropic_version: Field required")
		case streams != (method == "streamRawPredict"):
			return wrong("stream: it must be true for streamRawPredict alone")
		}
		delete(q, "anthropic_version")
		q["model"] = model
		return h.anthropicMessages(p, mustJSON(q))
	})(w, r)
}

// vertexAnthropic is Anthropic's dialect without its headers.
type vertexAnthropic struct{ anthropic }

func (vertexAnthropic) credential(r *http.Request) (string, *refusal) {
	return google{}.credential(r)
}
