//go:build tools

// Package telegraf pins what tools/provision.py builds for benchmarks to compare with.
package telegraf

import _ "github.com/influxdata/telegraf/cmd/telegraf"
