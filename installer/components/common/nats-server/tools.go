//go:build tools

package components

import (
	_ "github.com/nats-io/nats-server/v2"
)
