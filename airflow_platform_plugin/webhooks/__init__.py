"""Webhooks: signed deliveries of events to subscribed receivers, with retries."""
