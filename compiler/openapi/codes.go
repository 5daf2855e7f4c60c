package openapi

import "github.com/gwc-dev/gwc/schema/diag"

// The codes of this stage. Each has its page in schema/rules.
const (
	codeNoFile        diag.Code = "GWC3001" // the document does not exist
	codeSyntax        diag.Code = "GWC3002" // not JSON, not YAML, not UTF-8
	codeDuplicateKey  diag.Code = "GWC3003"
	codeHostile       diag.Code = "GWC3004" // larger, deeper or more entangled than any real document
	codeVersion       diag.Code = "GWC3005" // not OpenAPI 3.0 or 3.1
	codeShape         diag.Code = "GWC3006" // an object stands where the specification wants another
	codeRef           diag.Code = "GWC3007" // a $ref that does not resolve
	codeRemoteRef     diag.Code = "GWC3008" // a $ref out of the repository, which no route depends on
	codeSameID        diag.Code = "GWC3009" // an operationId given twice
	codeNoID          diag.Code = "GWC3010" // no operationId
	codeTemplate      diag.Code = "GWC3011" // a path that is no template
	codeUndeclared    diag.Code = "GWC3012" // a path parameter without declaration
	codeNotInPath     diag.Code = "GWC3013" // a declared path parameter that the template lacks
	codeUnknownMethod diag.Code = "GWC3014" // a field of a path item that is no method
	codeNoOperations  diag.Code = "GWC3015" // nothing to publish
	codeExtension     diag.Code = "GWC3016" // x-gwc-…, which no release reads yet
	codeInfo          diag.Code = "GWC3017" // no info.title or info.version
	codeVariant       diag.Code = "GWC3018" // a path with a query or fragment
	codeBadID         diag.Code = "GWC3019" // an operationId that cannot be used as a name
)
