// Command goplugin-host does to a Nomad plugin binary what Nomad does, with the go-plugin library that Nomad is built
// with, and without Nomad.
//
//	goplugin-host [-auto-mtls] PLUGIN [ARGUMENT…]
//
// It starts PLUGIN with Nomad's handshake, pings it, asks BasePlugin for its PluginInfo, and ends it; then starts it
// from another process, which goes away without a word, as a Nomad agent that is killed does, attaches to it again,
// asks the same, and ends it. With -auto-mtls it asks PLUGIN for mutual TLS instead, which PLUGIN is expected to refuse.
//
// It prints "ok STEP" for each step, or "no STEP" for one that a plugin may lack. At the first that fails it exits with
// status 1, and the reason on standard error. What the plugin writes to its standard error goes to standard error too.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// protocolVersion is the version of Nomad's plugin protocol.
	protocolVersion = 2

	// gracefulEnd is how long a plugin has, after it was told to shut down, before go-plugin kills it.
	gracefulEnd = 2 * time.Second

	// callTimeout ends calls to a plugin that does not answer.
	callTimeout = 10 * time.Second
)

// handshake is Nomad's: it identifies a plugin of Nomad's to Nomad and the other way round.
var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  protocolVersion,
	MagicCookieKey:   "NOMAD_PLUGIN_MAGIC_COOKIE",
	MagicCookieValue: "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255",
}

func main() {
	autoMTLS := flag.Bool("auto-mtls", false, "ask for mutual TLS, and expect the plugin to refuse it")
	leave := flag.Bool("leave", false, "start the plugin, print how to attach to it, and go away (used by the command itself)")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: goplugin-host [-auto-mtls] PLUGIN [ARGUMENT…]")
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	var err error
	switch {
	case *leave:
		err = startAndLeave(flag.Args())
	case *autoMTLS:
		err = askForMutualTLS(flag.Args())
	default:
		err = run(flag.Args())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "goplugin-host: %v\n", err)
		os.Exit(1)
	}
}

func run(command []string) error {
	info, err := startAndEnd(command)
	if err != nil {
		return err
	}
	return reattachAndEnd(command, info)
}

func ok(format string, arguments ...interface{}) {
	fmt.Printf("ok "+format+"\n", arguments...)
}

// connection is the plugin type that is dispensed: the bare connection.
type connection struct {
	plugin.NetRPCUnsupportedPlugin
}

func (connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (interface{}, error) {
	return c, nil
}

func (connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is a host")
}

func configuration() *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: map[int]plugin.PluginSet{protocolVersion: {"base": &connection{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard}),
		Stderr:           os.Stderr,
		StartTimeout:     callTimeout,
	}
}

// startAndEnd starts the plugin as a child, uses it, and ends it. It returns the answer to PluginInfo.
func startAndEnd(command []string) (info []byte, err error) {
	config := configuration()
	config.Cmd = exec.Command(command[0], command[1:]...)
	client := plugin.NewClient(config)
	defer client.Kill()

	started := time.Now()
	if _, err := client.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	ok("start (pid %d, %s)", config.Cmd.Process.Pid, time.Since(started).Round(time.Millisecond))
	if client.NegotiatedVersion() != protocolVersion || client.Protocol() != plugin.ProtocolGRPC {
		return nil, fmt.Errorf("negotiated version %d and protocol %q, expected %d and %q",
			client.NegotiatedVersion(), client.Protocol(), protocolVersion, plugin.ProtocolGRPC)
	}
	ok("handshake")
	info, stdio, err := use(client)
	if err != nil {
		return nil, err
	}
	return info, judgeStdio(stdio, func() error {
		asked := time.Now()
		client.Kill()
		took := time.Since(asked)
		// Kill has waited for the process, so its state is known.
		if state := config.Cmd.ProcessState; state == nil || !state.Success() || took >= gracefulEnd {
			return fmt.Errorf("told to shut down, the plugin ended after %s with: %v", took, state)
		}
		ok("shutdown (%s)", took.Round(time.Millisecond))
		return nil
	})
}

// askForMutualTLS starts the plugin as a host with AutoMTLS does. It fails unless the plugin ends with status 1 at once.
func askForMutualTLS(command []string) error {
	config := configuration()
	config.Cmd = exec.Command(command[0], command[1:]...)
	config.AutoMTLS = true
	client := plugin.NewClient(config)
	_, err := client.Start()
	// Kill waits for the process, so its state is known then, and all that it wrote is copied.
	client.Kill()
	if err == nil {
		return errors.New("the plugin started with AutoMTLS")
	}
	if state := config.Cmd.ProcessState; state == nil || state.ExitCode() != 1 {
		return fmt.Errorf("asked for AutoMTLS, the plugin ended with: %v (%w)", state, err)
	}
	ok("auto-mtls refused")
	return nil
}

// use makes the calls of a host that has just connected. It returns the answer to PluginInfo, and a channel that tells
// how the stream of the plugin's output ends.
func use(client *plugin.Client) (info []byte, stdio <-chan error, err error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	if err := protocol.Ping(); err != nil {
		return nil, nil, fmt.Errorf("ping: %w", err)
	}
	ok("ping")
	dispensed, err := protocol.Dispense("base")
	if err != nil {
		return nil, nil, fmt.Errorf("dispensing: %w", err)
	}
	c := dispensed.(*grpc.ClientConn)

	stdio, err = openStdio(c)
	if err != nil {
		return nil, nil, fmt.Errorf("StreamStdio: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var request []byte
	method := "/hashicorp.nomad.plugins.base.proto.BasePlugin/PluginInfo"
	if err := c.Invoke(ctx, method, &request, &info, grpc.ForceCodec(rawCodec{})); err != nil {
		return nil, nil, fmt.Errorf("PluginInfo: %w", err)
	}
	ok("plugin-info %s", hex.EncodeToString(info))
	return info, stdio, nil
}

// judgeStdio ends the plugin by the function, and then says whether it had held the stream of its output open.
func judgeStdio(stdio <-chan error, end func() error) error {
	var early error
	select {
	case early = <-stdio:
	default:
	}
	if err := end(); err != nil {
		return err
	}
	ended := early
	if ended == nil {
		ended = <-stdio
	}
	switch {
	case status.Code(ended) == codes.Unimplemented:
		// Versions of go-plugin before 1.2 do not have it, and later ones put up with that.
		fmt.Println("no stdio: the plugin does not offer it")
	case early != nil:
		return fmt.Errorf("StreamStdio: the plugin did not hold it open: %w", early)
	default:
		ok("stdio")
	}
	return nil
}

// openStdio opens the stream of the plugin's output, as go-plugin does at once since version 1.2. The channel tells how
// it ended.
func openStdio(c *grpc.ClientConn) (<-chan error, error) {
	stream, err := c.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true},
		"/plugin.GRPCStdio/StreamStdio", grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return nil, err
	}
	var request []byte
	if err := stream.SendMsg(&request); err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() {
		for {
			var data []byte
			if err := stream.RecvMsg(&data); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended, nil
}

// startAndLeave starts and uses the plugin, prints "PID NETWORK ADDRESS", and returns with the plugin running.
func startAndLeave(command []string) error {
	config := configuration()
	config.Cmd = exec.Command(command[0], command[1:]...)
	client := plugin.NewClient(config)
	protocol, err := client.Client()
	if err != nil {
		return fmt.Errorf("starting %s: %w", command[0], err)
	}
	if err := protocol.Ping(); err != nil {
		client.Kill()
		return fmt.Errorf("ping: %w", err)
	}
	reattach := client.ReattachConfig()
	fmt.Println(reattach.Pid, reattach.Addr.Network(), reattach.Addr)
	return nil
}

// reattachAndEnd has the plugin started by another process that goes away, attaches to it, uses it, and ends it.
func reattachAndEnd(command []string, expectedInfo []byte) error {
	// The orphan becomes a child of this process, which so learns how it ends.
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return fmt.Errorf("prctl(PR_SET_CHILD_SUBREAPER): %w", errno)
	}
	reattach, err := startElsewhere(command)
	if err != nil {
		return fmt.Errorf("starting the plugin from another process: %w", err)
	}
	orphan := reap(reattach.Pid)
	ok("left alone (pid %d)", reattach.Pid)

	config := configuration()
	config.VersionedPlugins = nil
	config.Plugins = plugin.PluginSet{"base": &connection{}}
	config.Reattach = reattach
	client := plugin.NewClient(config)
	defer client.Kill()
	if _, err := client.Start(); err != nil {
		return fmt.Errorf("reattaching: %w", err)
	}
	ok("reattach")
	info, stdio, err := use(client)
	if err != nil {
		return fmt.Errorf("reattached: %w", err)
	}
	if string(info) != string(expectedInfo) {
		return fmt.Errorf("reattached: PluginInfo is %x, and was %x", info, expectedInfo)
	}

	return judgeStdio(stdio, func() error {
		asked := time.Now()
		go client.Kill()
		select {
		case end := <-orphan:
			took := time.Since(asked)
			if !end.Exited() || end.ExitStatus() != 0 || took >= gracefulEnd {
				return fmt.Errorf("told to shut down when reattached, the plugin ended after %s with status %d, signal %d",
					took, end.ExitStatus(), end.Signal())
			}
			ok("shutdown when reattached (%s)", took.Round(time.Millisecond))
			return nil
		case <-time.After(callTimeout):
			return fmt.Errorf("the plugin, pid %d, does not end", reattach.Pid)
		}
	})
}

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
const prSetChildSubreaper = 36

// startElsewhere runs this command with -leave and reads how to attach to what it left.
func startElsewhere(command []string) (*plugin.ReattachConfig, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	host := exec.Command(self, append([]string{"-leave", "--"}, command...)...)
	host.Stderr = os.Stderr
	output, err := host.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := host.Start(); err != nil {
		return nil, err
	}
	line, readError := bufio.NewReader(output).ReadString('\n')
	if err := host.Wait(); err != nil {
		return nil, err
	}
	fields := strings.Fields(line)
	if readError != nil || len(fields) != 3 || fields[1] != "unix" {
		return nil, fmt.Errorf("expected PID, \"unix\" and a path, got %q", line)
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil {
		return nil, err
	}
	return &plugin.ReattachConfig{
		Protocol: plugin.ProtocolGRPC,
		Addr:     &net.UnixAddr{Net: "unix", Name: fields[2]},
		Pid:      pid,
	}, nil
}

// reap waits for the end of a child that was not started here.
func reap(pid int) <-chan syscall.WaitStatus {
	ended := make(chan syscall.WaitStatus, 1)
	go func() {
		var status syscall.WaitStatus
		for {
			_, err := syscall.Wait4(pid, &status, 0, nil)
			if err == syscall.EINTR {
				continue
			}
			if err == nil {
				ended <- status
			}
			return
		}
	}()
	return ended
}

// rawCodec carries messages as the bytes they are.
type rawCodec struct{}

func (rawCodec) Marshal(message interface{}) ([]byte, error) {
	return *message.(*[]byte), nil
}

func (rawCodec) Unmarshal(data []byte, message interface{}) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func (rawCodec) Name() string { return "proto" }
