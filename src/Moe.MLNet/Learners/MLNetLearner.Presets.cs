using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;
using Microsoft.ML.Trainers.FastTree;
using Microsoft.ML.Trainers.LightGbm;
using Moe.Classical;

namespace Moe.MLNet;

/// <content>ML.NET's trainers that do well as experts.</content>
public sealed partial class MLNetLearner
{
    private static readonly ResponseKind[] RealOrClass = [ResponseKind.Real, ResponseKind.Class];

    /// <summary>
    /// Gradient-boosted trees: MART (Friedman, "Greedy function approximation: a gradient boosting machine", 2001), as ML.NET's FastTree does it. For classes, one model
    /// against the rest for each, their calibrated probabilities (Platt) divided by their sum. The same rows and seed give the same model.
    /// </summary>
    /// <param name="options">Null for the defaults.</param>
    public static MLNetLearner FastTree(MLNetTrees? options = null)
    {
        var trees = Checked(options);
        return new MLNetLearner("fast-tree", (context, columns) => columns.Classes == 0
            ? context.Regression.Trainers.FastTree(With(new FastTreeRegressionTrainer.Options { LearningRate = trees.LearningRate }, trees, columns))
            : OneAgainstRest(context, columns, context.BinaryClassification.Trainers.FastTree(With(new FastTreeBinaryTrainer.Options { LearningRate = trees.LearningRate }, trees, columns))),
            new MLNetLearnerOptions { Responses = RealOrClass });
    }

    /// <summary>
    /// A random forest (Breiman, "Random forests", 2001), as ML.NET's FastForest does it. For classes, one forest for the share of each in the leaves, divided by their sum:
    /// the probabilities keep to the weights, which those of ML.NET's calibrated classifier do not. The same rows and seed give the same model.
    /// </summary>
    /// <param name="options">Null for the defaults. A forest has no learning rate.</param>
    public static MLNetLearner FastForest(MLNetTrees? options = null)
    {
        var trees = Checked(options);
        return new MLNetLearner("fast-forest", (context, columns) => columns.Classes == 0
            ? context.Regression.Trainers.FastForest(With(new FastForestRegressionTrainer.Options(), trees, columns))
            : Shares(context, columns, indicator => context.Regression.Trainers.FastForest(With(new FastForestRegressionTrainer.Options(), trees, columns, indicator))),
            new MLNetLearnerOptions { Responses = RealOrClass });
    }

    /// <summary>
    /// LightGBM (Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", 2017). For classes, all of them at once by the softmax. Its penalties are
    /// absolute: weights reach it with mean 1, so that their scale does not matter.
    /// </summary>
    /// <param name="options">Null for the defaults.</param>
    public static MLNetLearner LightGbm(MLNetTrees? options = null)
    {
        var trees = Checked(options);
        return new MLNetLearner("light-gbm", (context, columns) => columns.Classes == 0
            ? Boosted(context.Regression.Trainers.LightGbm, new LightGbmRegressionTrainer.Options { Deterministic = true }, trees, columns)
            : Boosted(context.MulticlassClassification.Trainers.LightGbm, new LightGbmMulticlassTrainer.Options { Deterministic = true, UseSoftmax = true }, trees, columns),
            new MLNetLearnerOptions { Responses = RealOrClass });
    }

    /// <summary>
    /// A generalised additive model of step functions (Lou, Caruana and Gehrke, "Intelligible models for classification and regression", 2012). For classes, one model against
    /// the rest for each, their calibrated probabilities divided by their sum. The same rows and seed give the same model. Takes no weights: with a column of them, ML.NET's
    /// trainer finds no split worth making (its gain is below 0 whatever the split) and answers 0 everywhere.
    /// </summary>
    /// <param name="options">Null for the defaults.</param>
    public static MLNetLearner Gam(MLNetGam? options = null)
    {
        var gam = options ?? new MLNetGam();
        gam.Validate(nameof(options));
        return new MLNetLearner("gam", (context, columns) => columns.Classes == 0
            ? Additive(context.Regression.Trainers.Gam, new GamRegressionTrainer.Options(), gam, columns)
            : OneAgainstRest(context, columns, Additive(context.BinaryClassification.Trainers.Gam, new GamBinaryTrainer.Options(), gam, columns)),
            new MLNetLearnerOptions { Responses = RealOrClass, Weights = WeightSupport.Resample, OverfitsOwnRows = false });
    }

    /// <summary>
    /// A linear model by stochastic dual coordinate ascent (Shalev-Shwartz and Zhang, 2013): least squares, or for classes the softmax (maximum entropy).
    /// It stops at a tolerance, not at the optimum.
    /// </summary>
    /// <param name="options">Null for the defaults.</param>
    public static MLNetLearner Sdca(MLNetSdca? options = null)
    {
        var sdca = options ?? new MLNetSdca();
        sdca.Validate(nameof(options));
        return new MLNetLearner("sdca", (context, columns) =>
        {
            var normal = context.Transforms.NormalizeMeanVariance(columns.Features, fixZero: false);
            return columns.Classes == 0
                ? normal.Append(context.Regression.Trainers.Sdca(new SdcaRegressionTrainer.Options
                {
                    L2Regularization = (float?)sdca.L2,
                    L1Regularization = (float)sdca.L1,
                    MaximumNumberOfIterations = sdca.Iterations,
                    NumberOfThreads = sdca.Threads,
                    FeatureColumnName = columns.Features,
                    LabelColumnName = columns.Label,
                    ExampleWeightColumnName = columns.Weight,
                }))
                : normal.Append(context.MulticlassClassification.Trainers.SdcaMaximumEntropy(new SdcaMaximumEntropyMulticlassTrainer.Options
                {
                    L2Regularization = (float?)sdca.L2,
                    L1Regularization = (float)sdca.L1,
                    MaximumNumberOfIterations = sdca.Iterations,
                    NumberOfThreads = sdca.Threads,
                    FeatureColumnName = columns.Features,
                    LabelColumnName = columns.Label,
                    ExampleWeightColumnName = columns.Weight,
                }));
        },
        new MLNetLearnerOptions { Responses = RealOrClass, OverfitsOwnRows = false });
    }

    private static MLNetTrees Checked(MLNetTrees? options)
    {
        var trees = options ?? new MLNetTrees();
        trees.Validate(nameof(options));
        return trees;
    }

    private static TOptions With<TOptions>(TOptions options, MLNetTrees trees, MLNetFitColumns columns, string? label = null)
        where TOptions : TreeOptions
    {
        options.NumberOfTrees = trees.Trees;
        options.NumberOfLeaves = trees.Leaves;
        options.MinimumExampleCountPerLeaf = trees.RowsPerLeaf;
        options.NumberOfThreads = trees.Threads;
        options.Seed = columns.Seed;
        options.FeatureColumnName = columns.Features;
        options.LabelColumnName = label ?? columns.Label;
        options.ExampleWeightColumnName = columns.Weight;
        return options;
    }

    /// <summary>LightGBM with our settings. The options of its trainers share a class that is inside the trainers' own: the trainer says which.</summary>
    private static LightGbmTrainerBase<TOptions, TOutput, TTransformer, TModel> Boosted<TOptions, TOutput, TTransformer, TModel>(
        Func<TOptions, LightGbmTrainerBase<TOptions, TOutput, TTransformer, TModel>> trainer, TOptions options, MLNetTrees trees, MLNetFitColumns columns)
        where TOptions : LightGbmTrainerBase<TOptions, TOutput, TTransformer, TModel>.OptionsBase, new()
        where TTransformer : ISingleFeaturePredictionTransformer<TModel>
        where TModel : class
    {
        options.NumberOfIterations = trees.Trees;
        options.NumberOfLeaves = trees.Leaves;
        options.MinimumExampleCountPerLeaf = trees.RowsPerLeaf;
        options.LearningRate = trees.LearningRate;
        options.NumberOfThreads = trees.Threads;
        options.Seed = columns.Seed;
        options.FeatureColumnName = columns.Features;
        options.LabelColumnName = columns.Label;
        options.ExampleWeightColumnName = columns.Weight;
        return trainer(options);
    }

    /// <summary>A generalised additive model with our settings.</summary>
    private static GamTrainerBase<TOptions, TTransformer, TModel> Additive<TOptions, TTransformer, TModel>(
        Func<TOptions, GamTrainerBase<TOptions, TTransformer, TModel>> trainer, TOptions options, MLNetGam gam, MLNetFitColumns columns)
        where TOptions : GamTrainerBase<TOptions, TTransformer, TModel>.OptionsBase, new()
        where TTransformer : ISingleFeaturePredictionTransformer<TModel>
        where TModel : class
    {
        options.NumberOfIterations = gam.Iterations;
        options.MaximumBinCountPerFeature = gam.Bins;
        options.LearningRate = gam.LearningRate;
        options.NumberOfThreads = gam.Threads;
        options.Seed = columns.Seed;
        options.FeatureColumnName = columns.Features;
        options.LabelColumnName = columns.Label;
        return trainer(options);
    }

    /// <summary>A regression on each class's indicator, and their answers side by side.</summary>
    private static EstimatorChain<ITransformer> Shares(MLContext context, MLNetFitColumns columns, Func<string, IEstimator<ITransformer>> regression)
    {
        var names = columns.Indicators.Select(indicator => $"Share of {indicator}").ToArray();
        var chain = new EstimatorChain<ITransformer>();
        foreach (var (indicator, name) in columns.Indicators.Zip(names))
            chain = chain.Append(regression(indicator)).Append<ITransformer>(context.Transforms.CopyColumns(name, "Score"));
        return chain.Append<ITransformer>(context.Transforms.Concatenate("Score", names));
    }

    private static OneVersusAllTrainer OneAgainstRest<TModel>(MLContext context, MLNetFitColumns columns, ITrainerEstimator<BinaryPredictionTransformer<TModel>, TModel> trainer)
        where TModel : class =>
        context.MulticlassClassification.Trainers.OneVersusAll(trainer, labelColumnName: columns.Label, useProbabilities: true);
}
