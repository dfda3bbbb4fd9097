//go:build tools

package components

import (
	_ "github.com/opencontainers/runc"
)
