package diff

import "slices"

// Class is how a change matters. The order is that of attention.
type Class uint8

const (
	// Breaking: requests that were served are refused, or keys and listeners that worked no longer do.
	Breaking Class = iota
	// Security: who may call, what is encrypted or logged, or where credentials and contents go.
	Security
	// Behaviour: requests are still served, but differently.
	Behaviour
	// Cost: the same requests can cost more.
	Cost
	// Neutral: nobody's requests are decided differently.
	Neutral
)

// String returns "breaking", "security", "behaviour", "cost" or "neutral".
func (c Class) String() string {
	return [...]string{"breaking", "security", "behaviour", "cost", "neutral"}[c]
}

// Classes returns all classes, in the order of attention.
func Classes() []Class { return []Class{Breaking, Security, Behaviour, Cost, Neutral} }

// ParseClass returns the class of a name.
func ParseClass(name string) (Class, bool) {
	i := slices.IndexFunc(Classes(), func(c Class) bool { return c.String() == name })
	return Class(max(i, 0)), i >= 0
}

// Direction is whether a change gives or takes.
type Direction uint8

const (
	// Level: neither.
	Level Direction = iota
	// Grant: an app can do what it could not.
	Grant
	// Revoke: an app can no longer do what it could.
	Revoke
	// Loosened: a policy asks less than before.
	Loosened
	// Tightened: a policy asks more than before.
	Tightened
)

// String returns "", "grant", "revoke", "loosened" or "tightened".
func (d Direction) String() string {
	return [...]string{"", "grant", "revoke", "loosened", "tightened"}[d]
}

// Kind is what changed, such as "route-removed". Kinds are stable: they stand in fingerprints and in JSON.
type Kind string

// The kinds of changes.
const (
	ListenerAdded       Kind = "listener-added"
	ListenerRemoved     Kind = "listener-removed"
	ListenerAddress     Kind = "listener-address"
	ListenerEngine      Kind = "listener-engine"
	ListenerTLSOn       Kind = "listener-tls-on"
	ListenerTLSOff      Kind = "listener-tls-off"
	ListenerCertificate Kind = "listener-certificate"
	AdminAddress        Kind = "admin-address"
	CallsOn             Kind = "calls-on"
	CallsOff            Kind = "calls-off"
	CallsChanged        Kind = "calls-changed"

	SignaturesMore Kind = "signatures-tightened"
	SignaturesLess Kind = "signatures-loosened"
	SignersChanged Kind = "signatures-changed"
	SignerRenamed  Kind = "signatures-renamed"

	ProviderAdded       Kind = "provider-added"
	ProviderRemoved     Kind = "provider-removed"
	ProviderKind        Kind = "provider-kind"
	ProviderAPI         Kind = "provider-api"
	ProviderServer      Kind = "provider-server"
	ProviderPath        Kind = "provider-path"
	ProviderCredentials Kind = "provider-credentials"
	ProviderHeaders     Kind = "provider-headers"
	ProviderTimeouts    Kind = "provider-timeouts"

	ModelAdded         Kind = "model-added"
	ModelRemoved       Kind = "model-removed"
	ModelStrategy      Kind = "model-strategy"
	ModelTargetAdded   Kind = "model-target-added"
	ModelTargetRemoved Kind = "model-target-removed"
	ModelTargetsOrder  Kind = "model-targets-order"
	ModelAttemptsMore  Kind = "model-attempts-raised"
	ModelAttemptsLess  Kind = "model-attempts-lowered"
	ModelRetryOn       Kind = "model-retry-on"
	ModelTimeouts      Kind = "model-timeouts"
	ModelOnLoss        Kind = "model-on-loss"
	ModelKeepAlive     Kind = "model-keep-alive"
	ModelTokensMore    Kind = "model-max-tokens-raised"
	ModelTokensLess    Kind = "model-max-tokens-lowered"
	ModelPromised      Kind = "model-capability-added"
	ModelUnpromised    Kind = "model-capability-removed"
	PriceRaised        Kind = "model-price-raised"
	PriceLowered       Kind = "model-price-lowered"
	PriceOther         Kind = "model-price-changed"
	PriceKnown         Kind = "model-price-known"
	PriceUnknown       Kind = "model-price-unknown"

	UpstreamAdded    Kind = "upstream-added"
	UpstreamRemoved  Kind = "upstream-removed"
	EndpointAdded    Kind = "upstream-endpoint-added"
	EndpointRemoved  Kind = "upstream-endpoint-removed"
	EndpointWeight   Kind = "upstream-endpoint-weight"
	EndpointsOrder   Kind = "upstream-endpoints-order"
	UpstreamTimeouts Kind = "upstream-timeouts"

	APIAdded       Kind = "api-added"
	APIRemoved     Kind = "api-removed"
	APIReplaced    Kind = "api-replaced"
	APIOwner       Kind = "api-owner"
	APIUpstream    Kind = "api-upstream"
	APIBasePath    Kind = "api-base-path"
	APIHostAdded   Kind = "api-host-added"
	APIHostRemoved Kind = "api-host-removed"
	APIHostCovered Kind = "api-host-covered"
	APITitle       Kind = "api-title"
	APIVersion     Kind = "api-version"

	PromptAdded          Kind = "prompt-added"
	PromptRemoved        Kind = "prompt-removed"
	PromptPath           Kind = "prompt-path"
	PromptOwner          Kind = "prompt-owner"
	PromptVisibility     Kind = "prompt-visibility"
	PromptDescription    Kind = "prompt-description"
	PromptServed         Kind = "prompt-served"
	PromptVersionAdded   Kind = "prompt-version-added"
	PromptVersionRemoved Kind = "prompt-version-removed"
	PromptInputs         Kind = "prompt-inputs"
	PromptInputsWider    Kind = "prompt-inputs-wider"
	PromptOutput         Kind = "prompt-output"
	PromptOutputMore     Kind = "prompt-output-more"
	PromptModel          Kind = "prompt-model"
	PromptParameters     Kind = "prompt-parameters"
	PromptOnInvalid      Kind = "prompt-on-invalid"
	PromptStreamOn       Kind = "prompt-stream-on"
	PromptStreamOff      Kind = "prompt-stream-off"
	PromptText           Kind = "prompt-text"

	RouteAdded     Kind = "route-added"
	RouteOpen      Kind = "route-added-open"
	RouteTakes     Kind = "route-takes-requests"
	RouteRemoved   Kind = "route-removed"
	RouteMethod    Kind = "route-method"
	RoutePath      Kind = "route-path"
	RouteParameter Kind = "route-parameter"
	RouteHosts     Kind = "route-hosts"
	RouteLoosened  Kind = "route-auth-loosened"
	RouteTightened Kind = "route-auth-tightened"
	RouteTimeout   Kind = "route-timeout"
	RouteRenamed   Kind = "route-renamed"
	RouteMoved     Kind = "route-moved"

	DocumentBreaking  Kind = "document-breaking"
	DocumentBehaviour Kind = "document-behaviour"
	DocumentNeutral   Kind = "document-neutral"
	DocumentUnknown   Kind = "document-unknown"

	LockAdded     Kind = "lock-added"
	LockRemoved   Kind = "lock-removed"
	LockLoosened  Kind = "lock-loosened"
	LockTightened Kind = "lock-tightened"

	TenantAdded   Kind = "tenant-added"
	TenantRemoved Kind = "tenant-removed"
	TenantOwners  Kind = "tenant-owners"

	AppAdded      Kind = "app-added"
	AppRemoved    Kind = "app-removed"
	AppIdle       Kind = "app-without-key"
	ModelGranted  Kind = "model-granted"
	ModelRevoked  Kind = "model-revoked"
	PromptGranted Kind = "prompt-granted"
	PromptRevoked Kind = "prompt-revoked"

	PassthroughOpened  Kind = "passthrough-opened"
	PassthroughClosed  Kind = "passthrough-closed"
	PassthroughCovered Kind = "passthrough-covered"

	LimitAdded   Kind = "limit-added"
	LimitRemoved Kind = "limit-removed"
	LimitRaised  Kind = "limit-raised"
	LimitLowered Kind = "limit-lowered"
	LimitRepeats Kind = "limit-repeated"
	KeyAdded     Kind = "key-added"
	KeyRemoved   Kind = "key-removed"
	KeyMoved     Kind = "key-moved"
	KeyRenamed   Kind = "key-renamed"
	KeyLonger    Kind = "key-expiry-later"
	KeyShorter   Kind = "key-expiry-earlier"
)

// Rule is what is known of a kind whatever the values are.
type Rule struct {
	Kind      Kind
	Class     Class
	Direction Direction
	Restart   bool // the running process takes it only when it is started again
	Why       string
}

// rules is the table of classes; docs/plan.md shows it and a test compares the two.
var rules = []Rule{
	{ListenerAdded, Behaviour, Level, true, "the gateway can be reached at one more address"},
	{ListenerRemoved, Breaking, Level, true, "callers of that address are refused"},
	{ListenerAddress, Breaking, Level, true, "callers of the old address are refused"},
	{ListenerEngine, Behaviour, Level, true, "another implementation serves the connections"},
	{ListenerTLSOn, Breaking, Tightened, true, "callers in clear text are refused"},
	{ListenerTLSOff, Security, Loosened, true, "keys and contents travel in clear text"},
	{ListenerCertificate, Behaviour, Level, true, "callers see another certificate"},
	{AdminAddress, Behaviour, Level, true, "metrics and health are found elsewhere, or not at all"},
	{CallsOn, Neutral, Tightened, true, "exchanges are logged"},
	{CallsOff, Security, Loosened, true, "exchanges leave no record"},
	{CallsChanged, Neutral, Level, true, "records are written elsewhere or at other times"},

	{SignaturesMore, Security, Tightened, false, "an artifact needs signatures that it did not"},
	{SignaturesLess, Security, Loosened, false, "an artifact needs fewer signatures; this one still needs those of the one before"},
	{SignersChanged, Security, Level, false, "others sign the artifacts that follow; this one needs both signatures"},
	{SignerRenamed, Neutral, Level, false, "readers see another name of a key"},

	{ProviderAdded, Neutral, Level, false, "what models do with it is said of the models"},
	{ProviderRemoved, Neutral, Level, false, "what models lose by it is said of the models"},
	{ProviderKind, Behaviour, Level, false, "calls are made in another dialect"},
	{ProviderAPI, Behaviour, Level, false, "conversations go to another API of the provider, translated where callers speak another"},
	{ProviderServer, Security, Level, false, "credentials and prompts go to another server, or by another scheme"},
	{ProviderPath, Behaviour, Level, false, "calls are made at other paths of the server"},
	{ProviderCredentials, Security, Level, false, "calls are made with other credentials"},
	{ProviderHeaders, Behaviour, Level, false, "calls carry other headers"},
	{ProviderTimeouts, Behaviour, Level, false, "slow answers end otherwise"},

	{ModelAdded, Neutral, Level, false, "nobody is refused; who may ask for it is a grant"},
	{ModelRemoved, Breaking, Revoke, false, "whoever asks for it is refused"},
	{ModelStrategy, Behaviour, Level, false, "targets are chosen otherwise"},
	{ModelTargetAdded, Behaviour, Level, false, "contents may go to one more provider or model"},
	{ModelTargetRemoved, Behaviour, Level, false, "one target less can answer"},
	{ModelTargetsOrder, Behaviour, Level, false, "another target is asked first, at its own price"},
	{ModelAttemptsMore, Cost, Loosened, false, "one exchange may be paid for more often"},
	{ModelAttemptsLess, Behaviour, Tightened, false, "failures reach the caller sooner"},
	{ModelRetryOn, Behaviour, Level, false, "other failures are tried again"},
	{ModelTimeouts, Behaviour, Level, false, "slow answers end otherwise"},
	{ModelKeepAlive, Neutral, Level, false, "silent streams get comments, which clients skip, or get none"},
	{ModelOnLoss, Behaviour, Level, false, "what targets cannot express is refused, or left out"},
	{ModelTokensMore, Cost, Loosened, false, "answers may be longer where the caller sets no limit"},
	{ModelTokensLess, Behaviour, Tightened, false, "answers may be cut where the caller sets no limit"},

	{ModelPromised, Neutral, Level, false, "callers may rely on more"},
	{ModelUnpromised, Behaviour, Level, false, "callers may no longer rely on it; the build no longer holds the targets to it"},
	{PriceRaised, Cost, Level, false, "the same answers of a target cost more"},
	{PriceLowered, Neutral, Level, false, "the same answers of a target cost less"},
	{PriceOther, Cost, Level, false, "some units of a target cost more and others less, or are priced otherwise"},
	{PriceKnown, Neutral, Level, false, "what a target costs is known now"},
	{PriceUnknown, Cost, Loosened, false, "nobody knows any more what a target costs"},

	{UpstreamAdded, Neutral, Level, false, "what APIs do with it is said of the APIs"},
	{UpstreamRemoved, Neutral, Level, false, "what APIs lose by it is said of the APIs"},
	{EndpointAdded, Behaviour, Level, false, "requests also go to another server"},
	{EndpointRemoved, Behaviour, Level, false, "requests no longer go to that server"},
	{EndpointWeight, Behaviour, Level, false, "the servers' shares of the requests change"},
	{EndpointsOrder, Behaviour, Level, false, "the servers are asked in another order"},
	{UpstreamTimeouts, Behaviour, Level, false, "slow answers end otherwise"},

	{APIAdded, Neutral, Level, false, "nobody is refused; operations without a key are said apart"},
	{APIRemoved, Breaking, Level, false, "its operations are gone"},
	{APIReplaced, Neutral, Level, false, "another API has all of its operations"},
	{APIOwner, Security, Level, false, "another team answers for it"},
	{APIUpstream, Behaviour, Level, false, "its requests go to other servers"},
	{APIBasePath, Breaking, Level, false, "the old paths are gone"},
	{APIHostAdded, Neutral, Level, false, "it is served on one more host"},
	{APIHostRemoved, Breaking, Level, false, "it is gone from that host"},
	{APIHostCovered, Neutral, Level, false, "a host is no longer named, and another of its hosts takes its requests"},
	{APITitle, Neutral, Level, false, "readers see another title"},
	{APIVersion, Neutral, Level, false, "readers see another version"},

	{PromptAdded, Security, Grant, false, "the apps of its tenant may call it, whatever models they list"},
	{PromptRemoved, Breaking, Revoke, false, "whoever calls it is refused"},
	{PromptPath, Breaking, Level, false, "requests at the old path are refused"},
	{PromptOwner, Security, Level, false, "another team answers for it, and its apps may call it"},
	{PromptVisibility, Security, Level, false, "other tenants' apps may list it, or may no longer"},
	{PromptDescription, Neutral, Level, false, "readers and models see another description"},
	{PromptServed, Behaviour, Level, false, "requests that name no version, or an alias, get another one"},
	{PromptVersionAdded, Neutral, Level, false, "whoever asks for it gets it; who gets it otherwise is said apart"},
	{PromptVersionRemoved, Breaking, Revoke, false, "whoever asks for it is refused"},
	{PromptInputs, Breaking, Level, false, "requests that were right may be refused"},
	{PromptInputsWider, Neutral, Level, false, "every request that was right still is"},
	{PromptOutput, Breaking, Level, false, "callers get what they may not be able to read"},
	{PromptOutputMore, Neutral, Level, false, "callers get what they got, and perhaps more"},
	{PromptModel, Behaviour, Level, false, "another model answers, at its own price"},
	{PromptParameters, Behaviour, Level, false, "the model answers otherwise"},
	{PromptOnInvalid, Behaviour, Level, false, "an answer that does not fit is refused, or asked for once more"},
	{PromptStreamOn, Neutral, Level, false, "callers may have the answer as a stream"},
	{PromptStreamOff, Breaking, Revoke, false, "callers that accept nothing but a stream are refused"},
	{PromptText, Behaviour, Level, false, "the model is told something else"},

	{RouteAdded, Neutral, Level, false, "requests that were refused are served"},
	{RouteOpen, Security, Loosened, false, "requests without a key reach an upstream"},
	{RouteTakes, Behaviour, Level, false, "it takes requests that another operation served"},
	{RouteRemoved, Breaking, Level, false, "its requests are refused, or another operation takes them"},
	{RouteMethod, Breaking, Level, false, "requests with the old method are refused"},
	{RoutePath, Breaking, Level, false, "requests at the old path are refused, or another operation takes them"},
	{RouteParameter, Neutral, Level, false, "a parameter has another name; the same requests match"},
	{RouteHosts, Breaking, Level, false, "it is served on other hosts"},
	{RouteLoosened, Security, Loosened, false, "callers need no key any more"},
	{RouteTightened, Breaking, Tightened, false, "callers without a key are refused"},
	{RouteTimeout, Behaviour, Level, false, "slow answers end otherwise"},
	{RouteRenamed, Neutral, Level, false, "records and metrics have another name for it"},
	{RouteMoved, Behaviour, Level, false, "another API serves its requests"},

	{DocumentBreaking, Breaking, Level, false, "requests or answers that were right no longer are, by the document"},
	{DocumentBehaviour, Behaviour, Level, false, "callers may notice, by the document"},
	{DocumentNeutral, Neutral, Level, false, "callers that were written for the old document work with the new one"},
	{DocumentUnknown, Behaviour, Level, false, "the document is another one, and the two could not be compared"},

	{LockAdded, Neutral, Tightened, false, "tenants' files must keep to one thing more"},
	{LockRemoved, Security, Loosened, false, "tenants may say what they could not"},
	{LockLoosened, Security, Loosened, false, "tenants may say what they could not"},
	{LockTightened, Neutral, Tightened, false, "tenants' files must keep to more"},

	{TenantAdded, Neutral, Level, false, "what its apps may do is said of the apps"},
	{TenantRemoved, Neutral, Level, false, "what its apps lose is said of the apps"},
	{TenantOwners, Security, Level, false, "other people answer for its files"},

	{AppAdded, Security, Grant, false, "somebody new may call"},
	{AppRemoved, Breaking, Revoke, false, "its keys no longer work"},
	{AppIdle, Neutral, Level, false, "an app without a key comes or goes; it could not call"},
	{ModelGranted, Security, Grant, false, "an app may ask for a model that it could not"},
	{ModelRevoked, Breaking, Revoke, false, "an app is refused a model that it had"},
	{PromptGranted, Security, Grant, false, "an app may call a prompt that it could not"},
	{PromptRevoked, Breaking, Revoke, false, "an app is refused a prompt that it had"},
	{PassthroughOpened, Security, Grant, false, "an app may use more of the gateway's account at a provider"},
	{PassthroughClosed, Breaking, Revoke, false, "an app is refused a provider's path that it had"},
	{PassthroughCovered, Neutral, Level, false, "a path is no longer named, and another that is opened to the app takes its requests"},
	{LimitAdded, Behaviour, Tightened, false, "more requests can be refused"},
	{LimitRemoved, Cost, Loosened, false, "nothing bounds these requests any more"},
	{LimitRaised, Cost, Loosened, false, "more requests are let through"},
	{LimitLowered, Behaviour, Tightened, false, "more requests can be refused"},
	{LimitRepeats, Neutral, Level, false, "a limit stands more or less often, or elsewhere in the list; all hold at once"},
	{KeyAdded, Security, Grant, false, "one more key works"},
	{KeyRemoved, Breaking, Revoke, false, "a key no longer works"},
	{KeyMoved, Security, Grant, false, "a key is another app's"},
	{KeyRenamed, Neutral, Level, false, "records have another name for the key"},
	{KeyLonger, Security, Grant, false, "a key works longer"},
	{KeyShorter, Breaking, Revoke, false, "a key stops working earlier"},
}

// Rules returns the table of kinds.
func Rules() []Rule { return slices.Clone(rules) }

func (k Kind) rule() *Rule {
	for i := range rules {
		if rules[i].Kind == k {
			return &rules[i]
		}
	}
	panic("diff: kind " + string(k) + " has no rule") // a bug of this package; a test makes every kind
}
