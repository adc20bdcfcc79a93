package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// peer is a connection to the service under test.
type peer struct {
	*grpc.ClientConn

	lock    sync.Mutex
	sockets []net.Conn
}

// connect opens a connection of its own and waits until it is up.
func connect(ctx context.Context, path string) (*peer, error) {
	p := &peer{}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	connection, err := grpc.DialContext(ctx, "passthrough:///localhost",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			socket, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
			if err == nil {
				p.lock.Lock()
				p.sockets = append(p.sockets, socket)
				p.lock.Unlock()
			}
			return socket, err
		}),
		grpc.WithInsecure(),
		grpc.WithBlock(),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodec(rawCodec{}),
			grpc.MaxCallRecvMsgSize(maxMessageSize),
			grpc.MaxCallSendMsgSize(maxMessageSize),
		),
	)
	if err != nil {
		return nil, fmt.Errorf("connecting to unix:%s: %w", path, err)
	}
	p.ClientConn = connection
	return p, nil
}

// breakOff closes the sockets under the connection, without a word of HTTP/2.
func (p *peer) breakOff() {
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, socket := range p.sockets {
		socket.Close()
	}
}

// call makes a call with one message each way.
func (p *peer) call(ctx context.Context, method string, request []byte, options ...grpc.CallOption) ([]byte, error) {
	var answer []byte
	err := p.Invoke(ctx, "/"+serviceName+"/"+method, &request, &answer, options...)
	return answer, err
}

// open starts a streaming call.
func (p *peer) open(ctx context.Context, method string) (grpc.ClientStream, error) {
	description := &grpc.StreamDesc{StreamName: method, ClientStreams: true, ServerStreams: true}
	stream, err := p.NewStream(ctx, description, "/"+serviceName+"/"+method)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", method, err)
	}
	return stream, nil
}

// openServerStream starts ServerStream with its one request.
func (p *peer) openServerStream(ctx context.Context, count, size int) (grpc.ClientStream, error) {
	stream, err := p.open(ctx, "ServerStream")
	if err != nil {
		return nil, err
	}
	request := []byte(fmt.Sprintf("%d %d", count, size))
	if err := stream.SendMsg(&request); err != nil {
		return nil, fmt.Errorf("sending ServerStream's request: %w", err)
	}
	return stream, stream.CloseSend()
}

// cancelledHangs asks how many handlers of Hang have been cancelled.
func (p *peer) cancelledHangs(ctx context.Context) (int, error) {
	answer, err := p.call(ctx, "Cancelled", nil)
	if err != nil {
		return 0, fmt.Errorf("Cancelled: %w", err)
	}
	return strconv.Atoi(string(answer))
}

// waitForCancelledHangs waits until at least that many handlers of Hang have been cancelled.
func (p *peer) waitForCancelledHangs(ctx context.Context, count int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		seen, err := p.cancelledHangs(ctx)
		if err != nil {
			return fmt.Errorf("waiting for the server to see %d cancellations in all: %w", count, err)
		}
		if seen >= count {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server saw %d cancellations in all, expected %d", seen, count)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func expectCode(what string, err error, code codes.Code) error {
	if status.Code(err) != code {
		return fmt.Errorf("%s: expected the status %v, got: %v", what, code, err)
	}
	return nil
}
