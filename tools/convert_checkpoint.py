"""`mtdnn convert_checkpoint` without an installation."""

from mtdnn_tf.commands.making.convert_checkpoint import COMMAND

if __name__ == "__main__":
    COMMAND.run()
