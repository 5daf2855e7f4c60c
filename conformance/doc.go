// Package conformance judges the built binaries from outside, as their users meet them: real SDKs, raw sockets,
// recorded provider answers, faults, signals.
//
// A test writes a configuration repository, builds it with gwc, serves it with gwcd on free ports in front of mocks
// or of scripted servers of its own, and looks at four things: what the client got, what the upstream got, what the
// call log says, what the metrics say. Nothing of the product is imported, so nothing can be tested that a user could
// not see. What holds for one listener engine must hold for all, so the HTTP suite is one table that runs against
// each of them.
//
//	go test ./...          all of it, about five minutes on two cores
//	go test -short ./...   without what must wait (drain deadlines, a hundred reloads, half a gigabyte)
//
// $GWC_BIN names a folder with gwc and gwcd to judge in place of the sources beside this module; $GWC_CORPORA the
// folder with recorded answers.
package conformance
