package lsp

import "encoding/json"

// The types of LSP 3.17 that this server reads or writes, with the protocol's own names
// (https://microsoft.github.io/language-server-protocol/specifications/lsp/3.17/specification/).

type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
}

type answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *fault          `json:"error,omitempty"`
}

// fault is an error of JSON-RPC. As an error of Go it is what a request ends with.
type fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (f *fault) Error() string { return f.Message }

// Codes of JSON-RPC 2.0 and of LSP.
const (
	parseError        = -32700
	invalidRequest    = -32600
	methodNotFound    = -32601
	invalidParams     = -32602
	internalError     = -32603
	notInitialized    = -32002
	requestFailed     = -32803
	requestCancelled  = -32800
	severityError     = 1
	severityWarning   = 2
	severityNote      = 3
	itemField         = 5
	itemModule        = 9
	itemEnum          = 13 // EnumMember is 20; editors show both alike
	itemReference     = 18
	itemFile          = 17
	symbolFile        = 1
	symbolModule      = 2
	symbolNamespace   = 3
	symbolMethod      = 6
	symbolField       = 8
	symbolString      = 15
	symbolArray       = 18
	symbolObject      = 19
	messageError      = 1
	messageWarning    = 2
	syncIncremental   = 2
	formatMarkdown    = "markdown"
	encodingUTF8      = "utf-8"
	encodingUTF16     = "utf-16"
	kindQuickFix      = "quickfix"
	kindFixAll        = "source.fixAll.gwc"
	watchRegistration = "gwc-files"
)

type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

type span struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type location struct {
	URI   string `json:"uri"`
	Range span   `json:"range"`
}

type textEdit struct {
	Range   span   `json:"range"`
	NewText string `json:"newText"`
}

type document struct {
	URI string `json:"uri"`
}

type initializeParams struct {
	ProcessID    *int `json:"processId"`
	Capabilities struct {
		General struct {
			PositionEncodings []string `json:"positionEncodings"`
		} `json:"general"`
		Workspace struct {
			DidChangeWatchedFiles struct {
				DynamicRegistration bool `json:"dynamicRegistration"`
			} `json:"didChangeWatchedFiles"`
		} `json:"workspace"`
	} `json:"capabilities"`
	RootURI          string     `json:"rootUri"`
	WorkspaceFolders []document `json:"workspaceFolders"`
}

type openParams struct {
	TextDocument struct {
		URI     string `json:"uri"`
		Version int    `json:"version"`
		Text    string `json:"text"`
	} `json:"textDocument"`
}

type changeParams struct {
	TextDocument struct {
		URI     string `json:"uri"`
		Version int    `json:"version"`
	} `json:"textDocument"`
	ContentChanges []struct {
		Range *span  `json:"range"`
		Text  string `json:"text"`
	} `json:"contentChanges"`
}

// documentParams are those of all requests for a document or a place in it.
type documentParams struct {
	TextDocument document `json:"textDocument"`
	Position     position `json:"position"`
	Range        span     `json:"range"`
	NewName      string   `json:"newName"`
	Context      struct {
		IncludeDeclaration bool     `json:"includeDeclaration"`
		Only               []string `json:"only"`
	} `json:"context"`
}

type watchedParams struct {
	Changes []struct {
		URI string `json:"uri"`
	} `json:"changes"`
}

type publishParams struct {
	URI         string       `json:"uri"`
	Version     *int         `json:"version,omitempty"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Range           span          `json:"range"`
	Severity        int           `json:"severity"`
	Code            string        `json:"code"`
	CodeDescription *href         `json:"codeDescription,omitempty"`
	Source          string        `json:"source"`
	Message         string        `json:"message"`
	Related         []relatedInfo `json:"relatedInformation,omitempty"`
}

type href struct {
	Href string `json:"href"`
}

type relatedInfo struct {
	Location location `json:"location"`
	Message  string   `json:"message"`
}

type hover struct {
	Contents markup `json:"contents"`
	Range    span   `json:"range"`
}

type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type completionList struct {
	IsIncomplete bool             `json:"isIncomplete"`
	Items        []completionItem `json:"items"`
}

type completionItem struct {
	Label         string   `json:"label"`
	Kind          int      `json:"kind"`
	Detail        string   `json:"detail,omitempty"`
	Documentation *markup  `json:"documentation,omitempty"`
	SortText      string   `json:"sortText,omitempty"`
	FilterText    string   `json:"filterText,omitempty"`
	TextEdit      textEdit `json:"textEdit"`
}

type codeAction struct {
	Title       string        `json:"title"`
	Kind        string        `json:"kind"`
	Diagnostics []diagnostic  `json:"diagnostics,omitempty"`
	IsPreferred bool          `json:"isPreferred,omitempty"`
	Edit        workspaceEdit `json:"edit"`
}

type workspaceEdit struct {
	Changes map[string][]textEdit `json:"changes"`
}

type symbol struct {
	Name           string   `json:"name"`
	Detail         string   `json:"detail,omitempty"`
	Kind           int      `json:"kind"`
	Range          span     `json:"range"`
	SelectionRange span     `json:"selectionRange"`
	Children       []symbol `json:"children,omitempty"`
}

type prepared struct {
	Range       span   `json:"range"`
	Placeholder string `json:"placeholder"`
}
