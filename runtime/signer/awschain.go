package signer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

// reread is how often a key of AWS that has no end is looked up again: files and variables may have changed.
const reread = 15 * time.Minute

// chainID is what the default chain is called in reports, and what stands for its key in a rehearsal.
const chainID = "{default chain}"

// awsLease is an access key that was found. It is not to be changed.
type awsLease struct {
	id, secret, token string
	derived           derivation
}

// AWSDefault signs as [SigV4] does, with the key that the default chain of AWS's SDKs finds where the gateway runs: in the
// environment, a web identity (of a Kubernetes service account), the shared files, the container's or the instance's role.
// It is looked up in the background, and renewed before it ends. The SDK does that: its own rules, its own variables.
//
// Source: "AWS SDKs and Tools standardized credential providers".
func (t *Tokens) AWSDefault(region, service string) Signer {
	if t.stands {
		return &rehearsedAWS{scope: scope{region, service}}
	}
	return &awsChain{scope{region, service}, sourceOf(t, "aws "+chainID+" "+region, func(ctx context.Context) (Lease[*awsLease], error) {
		return findAWS(ctx, region)
	})}
}

// rehearsedAWS signs with what stands for the chain's key.
type rehearsedAWS struct {
	scope
	derived derivation
}

func (s *rehearsedAWS) Sign(dst []byte, c *Call) ([]byte, string, bool) {
	dst, secret := s.sign(dst, c, chainID, "", s.derived.key(s.scope, c.Now, 0, func() string { return chainID }))
	return dst, secret, true
}

func (s *rehearsedAWS) Await(then func(error)) { go then(nil) }

// awsChain signs with the access key that the chain found.
type awsChain struct {
	scope
	*source[*awsLease]
}

// Sign implements [Signer]. No allocation but for the hash while the key holds.
func (s *awsChain) Sign(dst []byte, c *Call) ([]byte, string, bool) {
	k, ok := s.get(c.Now)
	if !ok {
		return dst, "", false
	}
	dst, secret := s.sign(dst, c, k.id, k.token, k.derived.key(s.scope, c.Now, 0, func() string { return k.secret }))
	return dst, secret, true
}

// findAWS walks the chain.
func findAWS(ctx context.Context, region string) (l Lease[*awsLease], err error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return l, awsRefusal(err)
	}
	found, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return l, awsRefusal(err)
	}
	l = Lease[*awsLease]{Value: &awsLease{id: found.AccessKeyID, secret: found.SecretAccessKey, token: found.SessionToken}, Expires: time.Now().Add(reread)}
	if found.CanExpire {
		l.Expires = found.Expires
	}
	return l, nil
}

// awsRefusal makes an error that holds nothing of files, requests or answers, of which nobody knows what is in them.
func awsRefusal(err error) error {
	var (
		profile config.SharedConfigProfileNotExistError
		file    config.SharedConfigLoadError
		api     smithy.APIError
	)
	switch {
	case errors.As(err, &profile):
		return fmt.Errorf("the shared files of AWS have no profile %q", profile.Profile)
	case errors.As(err, &file):
		return fmt.Errorf("the shared file %s of AWS cannot be read", file.Filename)
	case errors.As(err, &api) && len(api.ErrorCode()) <= 64:
		return fmt.Errorf("AWS gave no key: %q", api.ErrorCode())
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the default chain of AWS took too long to find a key")
	}
	return errors.New("the default chain of AWS found no key: neither in the environment nor in the shared files, nor for a web identity, a container or an instance")
}
