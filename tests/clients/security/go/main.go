// One login with franz-go per line of the input: a JSON object with servers, mechanism, user, password, token, ca, cert and key.
// Each is answered with one line: "ok", "denied", or what else went wrong.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

type login struct{ Servers, Mechanism, User, Password, Token, Ca, Cert, Key string }

func (l login) sasl() sasl.Mechanism {
	switch l.Mechanism {
	case "PLAIN":
		return plain.Auth{User: l.User, Pass: l.Password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: l.User, Pass: l.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: l.User, Pass: l.Password}.AsSha512Mechanism()
	case "OAUTHBEARER":
		return oauth.Auth{Token: l.Token}.AsMechanism()
	case "AWS_MSK_IAM":
		return aws.Auth{AccessKey: l.User, SecretKey: l.Password}.AsManagedStreamingIAMMechanism()
	}
	return nil
}

func try(l login) error {
	seed := l.Servers
	if l.Mechanism == "AWS_MSK_IAM" {
		// It takes the region from the name of a broker of MSK, which leads to the gateway below.
		seed = "b-1.test.kafka.us-east-1.amazonaws.com:9098"
	}
	options := []kgo.Opt{kgo.SeedBrokers(seed), kgo.RequestRetries(0)}
	if mechanism := l.sasl(); mechanism != nil {
		options = append(options, kgo.SASL(mechanism))
	}
	var config *tls.Config
	if l.Ca != "" {
		pem, err := os.ReadFile(l.Ca)
		if err != nil {
			return err
		}
		config = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
		config.RootCAs.AppendCertsFromPEM(pem)
		if l.Cert != "" {
			pair, err := tls.LoadX509KeyPair(l.Cert, l.Key)
			if err != nil {
				return err
			}
			config.Certificates = []tls.Certificate{pair}
		}
	}
	options = append(options, kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		if config != nil {
			return (&tls.Dialer{Config: config}).DialContext(ctx, network, l.Servers)
		}
		return (&net.Dialer{}).DialContext(ctx, network, l.Servers)
	}))
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	response, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err == nil && len(response.Topics) != 2 {
		err = fmt.Errorf("%d topics are seen; there are 2", len(response.Topics))
	}
	return err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var l login
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			panic(err)
		}
		err := try(l)
		var certificate *tls.CertificateVerificationError
		switch {
		case err == nil:
			fmt.Println("ok")
		case errors.Is(err, kerr.SaslAuthenticationFailed):
			fmt.Println("denied")
		case l.Mechanism == "OAUTHBEARER" || l.Mechanism == "" && !errors.As(err, &certificate):
			// Of a bad token this client sees the first of two answers, and of a bad certificate a closed connection.
			fmt.Println("denied")
		default:
			fmt.Println(err)
		}
	}
}
