package main

import (
	"context"

	"github.com/trestle-mcp/trestle/server"
)

const balancesURI = "ledger://balances"

// addTools registers what clients may do. Mistakes are returned by Run.
func (l *ledger) addTools(srv *server.Server) {
	tool := func(name, description string) server.Tool {
		return server.Tool{Name: name, Description: description, ClosedWorld: true}
	}
	change := func(name, description string) server.Tool {
		t := tool(name, description)
		t.Idempotent, t.NonDestructive = true, true
		return t
	}
	look := func(name, description string) server.Tool {
		t := tool(name, description)
		t.ReadOnly = true
		return t
	}
	open := tool("open_account", "Open an account with a balance of 0.")
	open.NonDestructive = true
	_ = server.AddTool(srv, open, l.open)
	_ = server.AddTool(srv, change("deposit", "Pay money into an account."), l.deposit)
	_ = server.AddTool(srv, change("withdraw", "Pay money out of an account that has it."), l.withdraw)
	_ = server.AddTool(srv, change("transfer", "Pay from one account to another. Answers with the account that pays."), l.transfer)
	_ = server.AddTool(srv, look("history", "What happened to an account, oldest first, 100 events at a time."), l.history)
	_ = server.AddTool(srv, look("balance_at", "The balance of an account as it was at a version."),
		func(ctx context.Context, in balanceAtIn) (receipt, error) {
			return l.balanceAt(ctx, in.Account, in.Version)
		})

	const description = "All accounts with their balances in cents, and what is on its way between them."
	_ = server.AddResource(srv, server.Resource{
		URI: balancesURI, Name: "balances", Description: description, MIMEType: "application/json",
	}, func(ctx context.Context) (string, error) { return l.sheet(ctx, sheetIn{}) })
	_ = server.AddResourceTemplate(srv, server.ResourceTemplate{
		URITemplate: balancesURI + "{?after}", Name: "balances-page", Description: description, MIMEType: "application/json",
	}, l.sheet)
}
