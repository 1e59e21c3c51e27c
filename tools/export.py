"""`mtdnn export` without an installation."""

from mtdnn_tf.commands.using.export import COMMAND

if __name__ == "__main__":
    COMMAND.run()
