"""What each message and each timer means for the money: functions on a draft, told apart by what they are about."""
