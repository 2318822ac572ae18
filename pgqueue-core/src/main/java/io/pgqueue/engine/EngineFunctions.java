package io.pgqueue.engine;

import java.util.List;

/**
 * The SQL functions that this release calls: an application that must not, or need not,
 * migrate the schema checks that each of them exists. Those for other senders, such as
 * {@code send}, are not among them.
 */
public final class EngineFunctions {

	/**
	 * The functions with the types of their arguments.
	 */
	public static final List<String> SIGNATURES = List.of("send_batch(text,text[],text[])", "declare_queue(text)",
			"subscribe(integer,text,boolean)", "queue_names()",
			"claim(bigint,bigint,integer,integer,integer,bigint,timestamptz,boolean,boolean)",
			"settle(bigint,bigint[],bigint[],bigint[],bigint[],bigint[])",
			"settle_alone(bigint,bigint[],bigint[],bigint[],bigint[],bigint[])", "settle_one(bigint,bigint)",
			"retry(bigint,bigint[],bigint[],bigint[],integer[],text[],text[])",
			"bury(bigint,bigint[],bigint[],integer[],text[],text[],text[],text[])", "register_worker(text)",
			"succeed(bigint)", "beat(bigint)", "look_around(bigint,integer[],integer[],timestamptz)",
			"declare_dead(bigint,timestamptz)", "recover(bigint,integer)", "reconcile(bigint,bigint,bigint,bigint[])",
			"sign_off(bigint)", "register_receiver(text)",
			"receive(bigint,bigint,text,integer,bigint,bigint,timestamptz,timestamptz)",
			"lock_received(bigint,bigint,bigint,boolean)", "extend(bigint,bigint,bigint,boolean,bigint)",
			"return_overdue(text,integer,timestamptz)", "subscriptions(text)",
			"dead_letters(integer[],text,timestamptz,timestamptz,bigint,integer)", "dead_letter(integer,bigint)",
			"dead_letter_batch(integer,text,timestamptz,bigint,timestamptz,integer,bigint)",
			"redrive(integer,bigint[],timestamptz[],bigint[])", "discard(integer,bigint[],timestamptz[])",
			"expire_dead_letters(integer,timestamptz,bigint,integer)",
			"send_timed(text,text[],text[],timestamptz,bigint,bigint)", "promote(integer,timestamptz)",
			"cancel_unsent(text,bigint)", "take_out(text,bigint,bigint)", "cancel_waiting(text,bigint)",
			"take_cancel_requests(bigint)", "announce(text,text[],text[])", "channel()");

	private EngineFunctions() {
	}

}
