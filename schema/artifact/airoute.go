package artifact

import "strings"

// AIRoute is a path of the models' own API. Every artifact with models has all of them; what may be asked there, of
// which model and by whom, is the artifact's.
type AIRoute struct {
	Kind   RouteKind
	ID     string // "ai.chat"
	Name   string // "chat", as `gwc inspect` shows the kind
	Method string
	Path   string
	Asks   bool // the request names a model, whose target answers
}

// aiRoutes in the order in which artifacts number them.
var aiRoutes = [...]AIRoute{
	{RouteChat, "ai.chat", "chat", "POST", "/v1/chat/completions", true},
	{RouteResponses, "ai.responses", "responses", "POST", "/v1/responses", true},
	{RouteCompletions, "ai.completions", "completions", "POST", "/v1/completions", true},
	{RouteMessages, "ai.messages", "messages", "POST", "/v1/messages", true},
	{RouteCountTokens, "ai.count_tokens", "count_tokens", "POST", "/v1/messages/count_tokens", true},
	{RouteEmbeddings, "ai.embeddings", "embeddings", "POST", "/v1/embeddings", true},
	{RouteImages, "ai.images", "images", "POST", "/v1/images/generations", true},
	{RouteImageEdits, "ai.image_edits", "image_edits", "POST", "/v1/images/edits", true},
	{RouteImageVariations, "ai.image_variations", "image_variations", "POST", "/v1/images/variations", true},
	{RouteSpeech, "ai.speech", "speech", "POST", "/v1/audio/speech", true},
	{RouteTranscriptions, "ai.transcriptions", "transcriptions", "POST", "/v1/audio/transcriptions", true},
	{RouteTranslations, "ai.translations", "translations", "POST", "/v1/audio/translations", true},
	{RouteModerations, "ai.moderations", "moderations", "POST", "/v1/moderations", true},
	{RouteRerank, "ai.rerank", "rerank", "POST", "/v2/rerank", true},
	{RouteRerankV1, "ai.rerank_v1", "rerank", "POST", "/v1/rerank", true},
	{RouteGenerate, "ai.generate", "generate", "POST", "/v1beta/models/{model}:generateContent", true},
	{RouteGenerateStream, "ai.generate_stream", "generate", "POST", "/v1beta/models/{model}:streamGenerateContent", true},
	{RouteEmbedContent, "ai.embed_content", "embed_content", "POST", "/v1beta/models/{model}:embedContent", true},
	{RouteEmbedContents, "ai.embed_contents", "embed_contents", "POST", "/v1beta/models/{model}:batchEmbedContents", true},
	{RouteGoogleCount, "ai.count_tokens_v1beta", "count_tokens", "POST", "/v1beta/models/{model}:countTokens", true},
	{RouteModels, "ai.models", "models", "GET", "/v1/models", false},
	{RouteModel, "ai.model", "model", "GET", "/v1/models/{model}", false},
	{RouteGoogleModels, "ai.models_v1beta", "models", "GET", "/v1beta/models", false},
	{RouteGoogleModel, "ai.model_v1beta", "model", "GET", "/v1beta/models/{model}", false},
}

// AIRoutes lists the paths of the models' API, as clients of OpenAI's, Anthropic's and Google's APIs ask for them.
func AIRoutes() []AIRoute { return aiRoutes[:] }

// AI returns what a kind of route is in the models' API; ok is false for other routes.
func (k RouteKind) AI() (r AIRoute, ok bool) {
	for _, r := range aiRoutes {
		if r.Kind == k {
			return r, true
		}
	}
	return AIRoute{}, false
}

// Asks reports whether the requests of a route name a model, whose target answers.
func (k RouteKind) Asks() bool {
	r, ok := k.AI()
	return ok && r.Asks
}

// InPath reports whether the requests of a route name the model in their path, as its first parameter, and not in their
// body.
func (k RouteKind) InPath() bool { return k < RouteKinds && inPath[k] }

var inPath = func() (t [RouteKinds]bool) {
	for _, r := range aiRoutes {
		t[r.Kind] = strings.Contains(r.Path, "{model}")
	}
	return t
}()

// Models reports whether a route is the list of models.
func (k RouteKind) Models() bool { return k == RouteModels || k == RouteGoogleModels }

// Model reports whether a route is the card of a model.
func (k RouteKind) Model() bool { return k == RouteModel || k == RouteGoogleModel }
