package pipeline

import (
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// kind is how a kind of provider is called. Who signs the calls is bound by package snapshot.
type kind struct {
	// speaks holds the dialects that the provider speaks itself, as bits: their callers are passed through.
	speaks uint64
	// to is what a request in any other dialect becomes, by operation; absent where the provider has nothing of the kind.
	to map[operation]dialectID
	// target appends the request target of a call, behind the base URL's path.
	target func(dst []byte, c *callee) []byte
	// body appends what a request's body becomes for providers that want more than the dialect; nil: it stays.
	body func(dst, body []byte) []byte
}

// callee is what a request target is made of.
type callee struct {
	provider *artifact.Provider
	dialect  dialectID
	model    string
	stream   bool
	array    bool // the stream is a JSON array, in a dialect that has such streams
}

// kinds by the name that configurations use.
var kinds = map[string]*kind{
	"openai": {
		speaks: 1<<openAIChat | 1<<openAIResponses | 1<<openAICompletions | tasks | 1<<cohereRerank,
		to:     map[operation]dialectID{chat: openAIChat, embed: openAIEmbeddings},
		target: openAIPath,
	},
	"openai-compatible": {
		speaks: 1<<openAIChat | tasks | 1<<cohereRerank,
		to:     map[operation]dialectID{chat: openAIChat, embed: openAIEmbeddings},
		target: openAIPath,
	},
	"mistral": {
		speaks: 1<<openAIChat | 1<<openAIEmbeddings | 1<<openAIModerations | 1<<openAITranscriptions,
		to:     map[operation]dialectID{chat: openAIChat, embed: openAIEmbeddings},
		target: openAIPath,
	},
	"azure-openai": {
		speaks: 1<<openAIChat | tasks&^(1<<openAIModerations),
		to:     map[operation]dialectID{chat: openAIChat, embed: openAIEmbeddings},
		target: azurePath,
	},
	"cohere": {
		speaks: 1 << cohereRerank,
		to:     map[operation]dialectID{chat: cohereChat, embed: cohereEmbed},
		target: func(dst []byte, c *callee) []byte {
			switch c.dialect {
			case cohereRerank:
				return append(dst, "/v2/rerank"...)
			case cohereEmbed:
				return append(dst, "/v2/embed"...)
			}
			return append(dst, "/v2/chat"...)
		},
	},
	"ollama": {
		to: map[operation]dialectID{chat: ollamaChat, embed: ollamaEmbed},
		target: func(dst []byte, c *callee) []byte {
			if c.dialect == ollamaEmbed {
				return append(dst, "/api/embed"...)
			}
			return append(dst, "/api/chat"...)
		},
	},
	"bedrock": {
		to:     map[operation]dialectID{chat: bedrockConverse},
		target: func(dst []byte, c *callee) []byte { return bedrock.AppendTarget(dst, c.model, c.stream) },
	},
	"anthropic": {
		speaks: 1<<anthropicMessages | 1<<anthropicCount,
		to:     map[operation]dialectID{chat: anthropicMessages, count: anthropicCount},
		target: func(dst []byte, c *callee) []byte {
			if c.dialect == anthropicCount {
				return append(dst, "/v1/messages/count_tokens"...)
			}
			return append(dst, "/v1/messages"...)
		},
	},
	"vertex": {
		speaks: 1 << geminiGenerate,
		to:     map[operation]dialectID{chat: geminiGenerate, embed: vertexEmbed, count: vertexCount},
		target: func(dst []byte, c *callee) []byte { return geminiMethod(vertexModels(dst, c, "google"), c) },
	},
	"gemini": {
		speaks: 1<<geminiGenerate | 1<<geminiEmbed | 1<<geminiEmbedOne | 1<<geminiCount,
		to:     map[operation]dialectID{chat: geminiGenerate, embed: geminiEmbed, count: geminiCount},
		target: func(dst []byte, c *callee) []byte { return geminiMethod(append(dst, "/v1beta/models/"...), c) },
	},
}

// vertexClaude is the kind of Vertex AI's models that are Anthropic's.
var vertexClaude = &kind{
	speaks: 1 << anthropicMessages,
	to:     map[operation]dialectID{chat: anthropicMessages},
	target: func(dst []byte, c *callee) []byte {
		dst = appendSegment(vertexModels(dst, c, "anthropic"), c.model)
		if c.stream {
			return append(dst, ":streamRawPredict"...)
		}
		return append(dst, ":rawPredict"...)
	},
	body: vertexBody,
}

// azurePath names the deployment in the path, and the version of the API behind it. The version "v1" has OpenAI's own
// paths, and takes the deployment for the model.
func azurePath(dst []byte, c *callee) []byte {
	switch version := c.provider.APIVersion; version {
	case "v1":
		return append(append(dst, "/openai/v1"...), taskPaths[c.dialect]...)
	case "preview":
		return append(append(append(dst, "/openai/v1"...), taskPaths[c.dialect]...), "?api-version=preview"...)
	default:
		dst = append(dst, "/openai/deployments/"...)
		for i := 0; i < len(c.model); i++ {
			const hex = "0123456789ABCDEF"
			switch b := c.model[i]; {
			case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '.', b == '_', b == '~':
				dst = append(dst, b)
			default:
				dst = append(dst, '%', hex[b>>4], hex[b&15])
			}
		}
		return append(append(append(dst, taskPaths[c.dialect]...), "?api-version="...), version...)
	}
}

// kindsByAPI are kinds whose providers are bound to one API for conversations.
var kindsByAPI = map[string]*kind{
	"chat": {
		speaks: kinds["openai"].speaks &^ (1 << openAIResponses),
		to:     kinds["openai"].to,
		target: openAIPath,
	},
	"responses": {
		speaks: kinds["openai"].speaks &^ (1 << openAIChat),
		to:     map[operation]dialectID{chat: openAIResponses, embed: openAIEmbeddings},
		target: openAIPath,
	},
}

// azureV1 is Azure in the versions of its API whose paths are OpenAI's: they have the Responses API as well.
var azureV1 = &kind{speaks: kinds["azure-openai"].speaks | 1<<openAIResponses, to: kinds["azure-openai"].to, target: azurePath}

// kindOf is how a model of a provider is called; nil for a kind that is not known.
func kindOf(p *artifact.Provider, model string) *kind {
	switch {
	case p.Kind == "vertex" && strings.HasPrefix(model, "claude-"):
		return vertexClaude
	case p.Kind == "azure-openai" && (p.APIVersion == "v1" || p.APIVersion == "preview"):
		return azureV1
	case p.API != "":
		return kindsByAPI[p.API]
	}
	return kinds[p.Kind]
}

// serves is the dialect in which a kind of provider is asked by callers of s: theirs, if it speaks that, or the one
// that their requests are translated to; nil where it cannot do what they ask for.
func (k *kind) serves(s *spoken) *served {
	if k.speaks&(1<<s.id) != 0 {
		return &servedDialects[s.id]
	}
	if id, ok := k.to[s.op]; ok {
		return &servedDialects[id]
	}
	return nil
}

// Reach tells how a model of a provider is asked by callers of a route: the request target behind the base URL, and
// whether the request is translated. ok is false where the provider has nothing of the kind.
func Reach(p *artifact.Provider, model string, route artifact.RouteKind, stream bool) (target string, translated, ok bool) {
	k, s := kindOf(p, model), speaks(route)
	if k == nil {
		return "", false, false
	}
	to := k.serves(s)
	if to == nil {
		return "", false, false
	}
	return string(k.target(nil, &callee{provider: p, dialect: to.id, model: model, stream: stream || route == s.streamKind})), to.id != s.id, true
}

// Losses is the table of a pair: what becomes, at a provider's model, of each thing that a route's callers can say, in
// their words. Where they are passed through to a vendor that differs from the dialect's own, the table holds what
// differs. ok is false where nothing can be lost, or where the provider has nothing of the kind. model "" is any of them.
func Losses(p *artifact.Provider, model string, route artifact.RouteKind) (table dialect.Losses, ok bool) {
	switch route {
	case artifact.RouteChat, artifact.RouteMessages, artifact.RouteResponses, artifact.RouteCompletions, artifact.RouteGenerate, artifact.RoutePrompt:
	default: // no conversation, or another door to one of these
		return nil, false
	}
	k, s := kindOf(p, model), speaks(route)
	if k == nil {
		return nil, false
	}
	to := k.serves(s)
	if to == nil {
		return nil, false
	}
	row := snapshot.VendorOf(p)
	switch {
	case to.id == s.id && (row == nil || to.id != openAIChat):
		return nil, false
	case to.id == s.id:
		table = openaichat.VendorLosses(row, model)
	case row != nil && to.id == openAIChat:
		table = dialect.Between(s.words, s.reading, openaichat.VendorTable(row, model))
	default:
		table = dialect.Between(s.words, s.reading, to.losses)
	}
	return table, len(table) > 0
}
