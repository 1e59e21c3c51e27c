"""`mtdnn report` without an installation."""

from mtdnn_tf.commands.using.report import COMMAND

if __name__ == "__main__":
    COMMAND.run()
