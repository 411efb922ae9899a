using System.Reflection;

namespace Moe.Samples.Tests;

/// <summary>A sample, called as from a command line.</summary>
internal static class Sample
{
    /// <summary>Far above what any call here takes, far below what a person waits for.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    public static SampleResult MixtureOfRegressions(params string[] arguments) => Call("MixtureOfRegressions", arguments);

    public static SampleResult ExpertsVersusEnsemble(params string[] arguments) => Call("ExpertsVersusEnsemble", arguments);

    public static SampleResult HuggingFaceBlock(params string[] arguments) => Call("HuggingFaceBlock", arguments);

    /// <summary>The entry point itself: a process for each call would take longer to start than most calls to answer.</summary>
    private static SampleResult Call(string name, string[] arguments)
    {
        var main = Assembly.Load(name).EntryPoint!;
        var (output, error) = (Console.Out, Console.Error);
        var (newOutput, newError) = (new StringWriter(), new StringWriter());
        Console.SetOut(newOutput);
        Console.SetError(newError);
        try
        {
            // On a thread of its own, so that a call that hangs is a test that fails.
            var call = Task.Factory.StartNew(() => (int)main.Invoke(null, [arguments])!, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            if (!call.Wait(Limit))
                throw new TimeoutException($"{name} {string.Join(' ', arguments)} ran longer than {Limit}.");
            return new SampleResult(call.Result, newOutput.ToString(), newError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }
}

/// <summary>How a call ended and what it wrote.</summary>
internal sealed record SampleResult(int ExitCode, string Output, string Error)
{
    /// <summary>The output, if all went well.</summary>
    public string Succeeded()
    {
        ExitCode.Should().Be(0, "the sample should succeed, but wrote\n{0}", Error);
        return Output;
    }

    /// <summary>What it said on the error stream, if it ended with this code.</summary>
    public string Failed(int code = 1)
    {
        ExitCode.Should().Be(code, "the sample should fail, but wrote\n{0}{1}", Output, Error);
        return Error;
    }
}
